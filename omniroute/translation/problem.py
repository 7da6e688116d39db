"""Something wrong in a table, before its position is looked up."""

from __future__ import annotations

from msgspec import Struct

Path = tuple[str | int, ...]
"""From the root of a table."""


class Problem(Struct, frozen=True, kw_only=True):
    """What is wrong at a place of a table."""

    path: Path
    message: str
    hint: str | None = None
    offset: int | None = None
    """Into the text at `path`."""
