"""How much a body may hold and how deep it may go, judged on its bytes: nothing is built of them.

A parser holds all threads of a process while it works, and a few bytes of JSON become a hundred in
memory, so that this has to be known before. The work is done in small steps, between which other
threads run.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final, Literal

from omniroute.config.model import RequestLimits
from omniroute.errors import RequestError

STEP_BYTES: Final = 1 << 16
_ALL_BUT: Final = bytes(set(range(256)) - set(b"[]{},"))
_TURNS: Final = tuple((byte in b"[{") - (byte in b"]}") for byte in range(256))
"""By byte, how it changes the depth."""
_BACKSLASHES: Final = re.compile(rb"\\*")
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}:,]', re.DOTALL)
_SHOWN: Final = 100
"""Characters of a field's name that the client is told."""

Limit = Literal["values", "depth"]


def check_size(raw: bytes, limits: RequestLimits, *, step_bytes: int = STEP_BYTES) -> None:
    """Raises RequestError (400), naming the field, for a body that holds or nests too much."""
    small = len(raw) <= limits.values
    if small and raw.count(b"[") + raw.count(b"{") <= limits.depth:
        return
    broken = _broken(raw, limits, step_bytes)
    if broken is None:
        return
    limit, end = broken
    said = {
        "values": f"the body has more than {limits.values} members and items",
        "depth": f"the body is nested more than {limits.depth} levels deep",
    }
    message = f"{said[limit]} (server.limits.{limit})"
    raise RequestError("invalid_request", message, param=_field_before(raw, end))


def _broken(raw: bytes, limits: RequestLimits, step_bytes: int) -> tuple[Limit, int] | None:
    """The limit that a body breaks, and by which byte it has; None for what holds them all."""
    start = depth = values = inside = 0
    while start < len(raw):
        end = min(start + step_bytes, len(raw))
        if raw[end - 1] == ord("\\"):  # what a backslash speaks of belongs to it
            end = _BACKSLASHES.match(raw, end).end() + 1  # pyright: ignore[reportOptionalMemberAccess] -- matches nothing, too
        marks, inside = _outside_texts(raw[start:end], inside)
        opening = marks.count(b"[") + marks.count(b"{")
        values += opening + marks.count(b",")
        if values > limits.values:
            return "values", end
        if depth + opening > limits.depth:
            depths = accumulate(map(_TURNS.__getitem__, marks), initial=depth)
            if max(depths) > limits.depth:
                return "depth", end
        depth += opening - marks.count(b"]") - marks.count(b"}")
        start = end
    return None


def _outside_texts(piece: bytes, inside: int) -> tuple[bytes, int]:
    """Brackets and commas that are not in a text; `inside` is 1 where a text goes on, else 0."""
    if b"\\" in piece:
        piece = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
    parts = piece.split(b'"')
    outside = b"".join(parts[inside::2]).translate(None, _ALL_BUT)
    return outside, inside ^ (len(parts) - 1) & 1


def _field_before(raw: bytes, end: int) -> str | None:
    """The top-level member that is being read at a byte, as far as it can be told."""
    depth = 0
    last: bytes | None = None
    for token in _TOKEN.finditer(raw, 0, end):
        text = token[0]
        if depth == 1 and text[:1] == b'"':
            last = text
        depth += _TURNS[text[0]]
    if last is None:
        return None
    return last[1:-1].decode(errors="replace")[:_SHOWN]


def path_before(raw: bytes, end: int) -> str | None:
    """The path of the value that begins at a byte, as `options.seed` or `messages[0].n`."""
    steps: list[str | int] = []
    last = b""
    for token in _TOKEN.finditer(raw, 0, end):
        match token[0]:
            case b"[":
                steps.append(0)
            case b"{":
                steps.append("")
            case b"]" | b"}":
                del steps[-1:]
            case b":":
                steps[-1:] = [last[1:-1].decode(errors="replace")]
            case b",":
                if steps and isinstance(steps[-1], int):
                    steps[-1] += 1
            case text:
                last = text
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return path.removeprefix(".")[:_SHOWN] or None
