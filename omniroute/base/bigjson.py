"""JSON as it comes from others: large, and now and then written as only lax parsers take it.

A parser holds all threads of a process while it works, so what is large is read in steps. Half a
pair of surrogates (an emoji that was cut), bytes that are no UTF-8, a byte order mark and numbers
that are none (`NaN`, `Infinity`) are what many servers and clients write and read: the words around
them must not be lost for it. Whole numbers stay whole, however long they are.
"""

from __future__ import annotations

import codecs
import re
from contextlib import suppress
from typing import Any, Final

import msgspec
import orjson

STEP_BYTES: Final = 256 << 10
_LEVELS: Final = 6
"""So often what stands within is cut out and read by itself; each time it is gone over again."""

_any: Final = msgspec.json.Decoder().decode
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_text: Final = msgspec.json.Decoder(str).decode

_SURROGATES: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
"""A pair of them as escapes; the group is one alone."""
_LONGEST: Final = 12
"""Bytes of such a pair."""
_MOST: Final = 100_000
"""So many are mended; what holds more is no text."""
_NO_NUMBER: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|(-?\bInfinity\b|\bNaN\b)', re.DOTALL)
_STEP: Final = 64 << 10
_BACKSLASH: Final = ord("\\")
_utf8: Final = codecs.getincrementaldecoder("utf-8")
_MARK: Final = b"\xef\xbb\xbf"


def read_json(raw: bytes) -> Any:
    """The value; what is large in it is read member by member, so that others get their turn.

    What is no character becomes U+FFFD; a number that is none becomes null in what is not large.
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
    try:
        return _any(raw) if len(raw) <= STEP_BYTES else _read(raw, _LEVELS)
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
    return _any(raw)


def write_json(value: Any, *, is_sorted: bool = False) -> bytes:
    """Compact JSON; `is_sorted` by the names of members. Raises TypeError for what is nested too
    deeply.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if is_sorted else None)
    except TypeError as error:
        if "64-bit" not in str(error):
            raise
        return msgspec.json.encode(value, order="sorted" if is_sorted else None)


def _mended(raw: bytes) -> bytes:
    text = raw.removeprefix(_MARK)
    if not text.isascii():
        text = _as_utf8(text)
    text = _without_halves(text)
    if len(text) <= STEP_BYTES and (b"NaN" in text or b"Infinity" in text):
        text = _NO_NUMBER.sub(lambda found: b"null" if found[1] else found[0], text)
    return text


def _as_utf8(text: bytes) -> bytes:
    """With U+FFFD for what is no character; in steps. As it is where hardly anything is one."""
    decoder = _utf8("replace")
    pieces: list[bytes] = []
    grown = 0  # by two for each byte that is none
    for at in range(0, len(text), _STEP):
        piece = text[at : at + _STEP]
        pieces.append(decoder.decode(piece, final=at + _STEP >= len(text)).encode())
        grown += len(pieces[-1]) - len(piece)
        if grown > 2 * _MOST:
            return text
    return b"".join(pieces)


def _without_halves(text: bytes) -> bytes:
    """With U+FFFD for an escape that is half a pair; in steps."""
    parts: list[bytes] = []
    kept = at = looked = 0
    end = min(_STEP, len(text))
    while at < len(text) and looked < _MOST:
        found = _SURROGATES.search(text, at, end + _LONGEST)
        if found is None or found.start() >= end:
            at, end = max(at, end), end + _STEP
            continue
        looked += 1
        start = found.start()
        if _is_escaped(text, start):  # the letter u behind a backslash that is one
            at = start + 1
            continue
        at = found.end()
        if found[1]:
            parts += (text[kept:start], b"\\ufffd")
            kept = at
    return b"".join((*parts, text[kept:]))


def _is_escaped(text: bytes, at: int) -> bool:
    """An odd number of backslashes stands before."""
    start = at
    while start and text[start - 1] == _BACKSLASH:
        start -= 1
    return (at - start) % 2 == 1
