"""The framings by the names that tables use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from omniroute.wire import jsonarray, ndjson, sse
from omniroute.wire.event import Decoder, Encoder


class Framing(Struct, frozen=True, kw_only=True):
    """How a stream's events stand in its bytes. Call `decoder` and `encoder` once per stream."""

    content_type: str
    decoder: Callable[[], Decoder]
    encoder: Callable[[], Encoder]


FRAMINGS: Final[Mapping[str, Framing]] = {
    "sse": Framing(
        content_type="text/event-stream; charset=utf-8",
        decoder=sse.SseDecoder,
        encoder=sse.SseEncoder,
    ),
    "sse-named": Framing(
        content_type="text/event-stream; charset=utf-8",
        decoder=sse.SseDecoder,
        encoder=sse.NamedEncoder,
    ),
    "ndjson": Framing(
        content_type="application/x-ndjson",
        decoder=ndjson.NdjsonDecoder,
        encoder=ndjson.NdjsonEncoder,
    ),
    "json-array": Framing(
        content_type="application/json; charset=UTF-8",
        decoder=jsonarray.JsonArrayDecoder,
        encoder=jsonarray.JsonArrayEncoder,
    ),
}
