"""Whose errors a path has: a client format's, as its table says, or the management API's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from omniroute.translation.values import DEFAULT_FORMAT, Formats

MANAGEMENT: Final = "management"


def envelope_of(formats: Formats, path: str, headers: Mapping[str, str]) -> str:
    """The format whose error envelope a client of `path` can read, or MANAGEMENT."""
    named = formats.envelope(path, headers)
    if named is not None:
        return named
    management = path.startswith("/api/") or path == "/metrics"
    return MANAGEMENT if management else DEFAULT_FORMAT
