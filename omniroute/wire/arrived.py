"""What an answer is, told by its bytes: servers answer otherwise than they are asked and say."""

from __future__ import annotations

import re
from typing import Final

from omniroute.wire.event import BOM, Decoder, Event
from omniroute.wire.jsonarray import JsonArrayDecoder
from omniroute.wire.ndjson import NdjsonDecoder
from omniroute.wire.sse import SseDecoder

_BLANK: Final = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*+")


def first_byte(data: bytes) -> bytes:
    """The first that is neither white space nor of a byte order mark; empty where none is."""
    if BOM.startswith(data[:3]) and len(data) < len(BOM):
        return b""
    found = _BLANK.match(data)
    at = 0 if found is None else found.end()
    return data[at : at + 1]


def is_page(data: bytes) -> bool:
    """HTML or XML: no API of models begins like that."""
    return first_byte(data) == b"<"


def events_of(data: bytes) -> list[Event]:
    """The events of a whole stream, in whatever framing it came.

    Raises UpstreamCutError for an event that is too large, or an array of other things.
    """
    decoder: Decoder
    match first_byte(data):
        case b"[":
            decoder = JsonArrayDecoder()
        case b"{":
            decoder = NdjsonDecoder()
        case _:
            decoder = SseDecoder()
    return [*decoder.feed(data), *decoder.finish()]
