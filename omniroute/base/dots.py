"""Dot segments: parts of a path that lead to another one, however they are encoded."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

MAX_CODINGS: Final = 4
"""How often something is decoded; what is encoded more often is meant to deceive."""
_DOTS: Final = re.compile(r"(?:^|[/\\])\.{1,2}(?=$|[/\\:;?#])")


def has_dot_segment(text: str) -> bool:
    """Whether a path, or a name that becomes a part of one, holds `.` or `..` as a segment."""
    if "." not in text and "%" not in text:
        return False
    for _ in range(MAX_CODINGS):
        decoded = unquote(text)
        if decoded == text:
            return _DOTS.search(text) is not None
        text = decoded
    return True
