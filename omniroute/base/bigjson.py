"""JSON as it comes from others: large, and now and then written as only lax parsers take it.

A parser holds all threads of a process while it works, so what is large is read in steps. Half a
pair of surrogates (an emoji that was cut), bytes that are no UTF-8, a byte order mark and numbers
that are none (`NaN`, `Infinity`) are what many servers and clients write and read: the words around
them must not be lost for it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, Final

import msgspec
import orjson

STEP_BYTES: Final = 256 << 10
_LEVELS: Final = 6
"""So often what stands within is cut out and read by itself; each time it is gone over again."""

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_text: Final = msgspec.json.Decoder(str).decode

_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""Each escape of a text; the group is half a pair of surrogates."""
_NO_NUMBER: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|(-?\bInfinity\b|\bNaN\b)', re.DOTALL)
_MARK: Final = b"\xef\xbb\xbf"


def read_json(raw: bytes) -> Any:
    """The value; what is large in it is read member by member, so that others get their turn.

    What is no character becomes U+FFFD, a number that is none becomes null.
    Raises orjson.JSONDecodeError.
    """
    try:
        return _read_strictly(raw)
    except orjson.JSONDecodeError:
        mended = _mended(raw)
        if mended != raw:
            with suppress(orjson.JSONDecodeError):
                return _read_strictly(mended)
        raise


def _read_strictly(raw: bytes) -> Any:
    if len(raw) <= STEP_BYTES:
        return orjson.loads(raw)
    try:
        return _read(raw, _LEVELS)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return orjson.loads(raw)  # which says where it is broken


def _read(raw: bytes | memoryview, levels: int) -> Any:
    if len(raw) > STEP_BYTES and levels:
        match bytes(raw[:64]).lstrip(b" \t\r\n")[:1]:
            case b"{":
                members = _members(raw).items()
                return {name: _read(memoryview(one), levels - 1) for name, one in members}
            case b"[":
                return [_read(memoryview(one), levels - 1) for one in _items(raw)]
            case b'"':
                return _text(raw)
            case _:
                pass
    return orjson.loads(raw)


def _mended(raw: bytes) -> bytes:
    text = raw.removeprefix(_MARK)
    if not text.isascii():
        text = text.decode(errors="replace").encode()
    if b"\\u" in text:
        text = _ESCAPE.sub(lambda found: b"\\ufffd" if found[1] else found[0], text)
    if b"NaN" in text or b"Infinity" in text:
        text = _NO_NUMBER.sub(lambda found: b"null" if found[1] else found[0], text)
    return text
