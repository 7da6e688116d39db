"""The answer of what has nothing to show."""

from __future__ import annotations

from msgspec import Struct


class Done(Struct, frozen=True):
    """It is done."""

    success: bool = True
