"""How many tokens an answer says, by estimate: for answers whose provider did not count them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from omniroute.catalog.tokens import estimate_tokens
from omniroute.translation.functions import to_json
from omniroute.translation.shape import is_object

KEPT_BYTES: Final = 16 << 10
"""Of a stream that is only passed on, this much of its frames is read; the rest is like it."""


def said_in_blocks(blocks: Iterable[Any]) -> int:
    """The estimate for a whole answer's blocks: its texts, thoughts and arguments of calls."""
    return estimate_tokens("".join(map(_text, filter(is_object, blocks))))


def said_in_rows(rows: Iterable[Any]) -> int:
    """The same for the pieces that a stream's events are decoded to (see `stream`).

    Where a block comes in pieces and then once more as a whole, it counts once.
    """
    pieces: list[str] = []
    wholes: dict[Any, str] = {}
    for row in filter(is_object, rows):
        if row.get("block") is None:
            continue
        pieces.append(_text(row))
        for name in ("whole_text", "whole_json"):
            if type(row.get(name)) is str:
                wholes[to_json(row["block"]), name] = row[name]
    return estimate_tokens("".join(pieces) or "".join(wholes.values()))


def _text(piece: dict[str, Any]) -> str:
    for name in ("text", "json"):
        if type(piece.get(name)) is str:
            return piece[name]
    return to_json(piece["input"]) if "input" in piece else ""
