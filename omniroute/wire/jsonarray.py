"""A stream that is one JSON array of objects, each an event, both ways.

The reader only counts brackets outside strings; whether an element is JSON is for who parses it.
States: before `[`, between elements, inside one (depth above zero, perhaps inside a string), after
`]`. A byte is looked at once, however the stream was split.
"""

from __future__ import annotations

import re
from typing import Final

from omniroute.errors import UpstreamCutError
from omniroute.wire.event import BOM, MAX_EVENT_BYTES, Event, oversize

_BLANK: Final = re.compile(rb"[ \t\r\n]*+")
_SEPARATOR: Final = re.compile(rb"[ \t\r\n,]*+")
_STRING_REST: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_TO_BRACKET: Final = re.compile(
    rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+', re.DOTALL
)
_QUOTE: Final = 0x22
_OPENING: Final = frozenset(b"{[")


class JsonArrayDecoder:
    """Gives each element as it closes."""

    __slots__ = ("_closed", "_depth", "_in_string", "_limit_bytes", "_opened", "_rest", "_scanned")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._limit_bytes = max_event_bytes
        self._rest = bytearray()
        self._scanned = 0
        self._depth = 0
        self._in_string = False
        self._opened = False
        self._closed = False

    def feed(self, chunk: bytes) -> list[Event]:
        data = self._rest
        data += chunk
        events: list[Event] = []
        start = 0
        while True:
            if not self._depth:
                start = self._to_element(data, start)
                if start == len(data) or not self._opened:
                    break
                self._depth = 1
                self._scanned = start + 1
            end = self._to_end(data)
            if (end or len(data)) - start > self._limit_bytes:
                raise oversize(self._limit_bytes)
            if not end:
                break
            events.append(Event(None, bytes(data[start:end])))
            start = end
        del data[:start]
        self._scanned -= start
        return events

    def finish(self) -> list[Event]:
        rest = bytes(self._rest)
        self._rest.clear()
        return [Event(None, rest)] if rest else []

    def _to_element(self, data: bytearray, start: int) -> int:
        """Where the next element begins; the end of the data when that has not arrived."""
        at = start
        if not self._opened:
            if len(data) < len(BOM) and BOM.startswith(data):
                return at
            at = _end(_BLANK, data, len(BOM) if data.startswith(BOM) else at)
            if at == len(data):
                return at
            if data[at] != ord("["):
                raise _not_an_array()
            self._opened = True
            at += 1
        if not self._closed:
            at = _end(_SEPARATOR, data, at)
            if at < len(data) and data[at] == ord("]"):
                self._closed = True
                at += 1
        if self._closed:
            at = _end(_BLANK, data, at)
        if at < len(data) and (self._closed or data[at] != ord("{")):
            raise _not_an_array()
        return at

    def _to_end(self, data: bytearray) -> int:
        """Just behind the element's closing bracket, or 0 while that has not arrived."""
        at = self._scanned
        size = len(data)
        while True:
            if self._in_string:
                at = _end(_STRING_REST, data, at)
                if at == size or data[at] != _QUOTE:  # the rest is a backslash without its partner
                    break
                self._in_string = False
                at += 1
            at = _end(_TO_BRACKET, data, at)
            if at == size:
                break
            byte = data[at]
            at += 1
            if byte == _QUOTE:
                self._in_string = True
            elif byte in _OPENING:
                self._depth += 1
            else:
                self._depth -= 1
                if not self._depth:
                    return at
        self._scanned = at
        return 0


def _end(pattern: re.Pattern[bytes], data: bytearray, at: int) -> int:
    """Where a pattern that also takes nothing stops taking."""
    match = pattern.match(data, at)
    return at if match is None else match.end()


def _not_an_array() -> UpstreamCutError:
    return UpstreamCutError("the upstream's stream is not a JSON array of objects")


class JsonArrayEncoder:
    """Opens the array with the first element, and closes it at the end."""

    __slots__ = ("_opened",)

    def __init__(self) -> None:
        self._opened = False

    def encode(self, data: bytes, event: str | None = None) -> bytes:
        lead = b",\r\n" if self._opened else b"["
        self._opened = True
        return lead + data

    def comment(self, text: str = "") -> bytes:
        """White space; also before the first bracket it is part of no value."""
        return b"\n"

    def close(self) -> bytes:
        return b"]" if self._opened else b"[]"
