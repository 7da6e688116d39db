"""Progress for clients that ask for it: how long, how many chunks, how many tokens so far.

A progress event goes between two events of the client's own format, at most once a second, never
before the first of them and never after the last. SDKs do not skip events that they do not know, so
its data is at the same time an empty piece of the client's format: a chunk without choices, an
event of an unknown type. Google's SDK reads anything but a `data:` line as broken JSON; its clients
get the data without the event's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from omniroute.request.inbound import Inbound, Sink
from omniroute.translation.values import Stream

HEADER: Final = "X-OmniRoute-Progress"
_ASKED: Final = HEADER.lower()
INTERVAL_MS: Final = 1000.0
_ENDS: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")
"""How an event of an SSE stream ends."""

NAMELESS: Final = frozenset({"gemini"})
EMPTY: Final[Mapping[str, Mapping[str, Any]]] = {
    "openai-chat": {
        "id": "",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "",
        "choices": [],
    },
    "gemini": {"candidates": []},
}
"""What makes an event harmless to a format's SDK; for the others an unknown type is enough."""


def wants_progress(inbound: Inbound, content_type: str) -> bool:
    """Only event streams have room for events that are not the format's own."""
    asked = inbound.headers.get(_ASKED, "").strip().lower()
    return asked == "true" and content_type.startswith("text/event-stream")


class ProgressSink:
    """A sink that puts a progress event before what it is given, when one is due."""

    def __init__(
        self, sink: Sink, stream: Stream, *, format: str, elapsed_ms: Callable[[], float]
    ) -> None:
        self._sink = sink
        self._stream = stream
        self._format = format
        self._elapsed_ms = elapsed_ms
        self._tail = b""
        self._next_ms = 0.0

    async def send(self, data: bytes) -> None:
        note = self._note()
        self._tail = (self._tail + data[-4:])[-4:]
        await self._sink.send(note + data if note else data)

    async def end(self) -> None:
        await self._sink.end()

    def abort(self) -> None:
        self._sink.abort()

    def _note(self) -> bytes:
        stream = self._stream
        if stream.done or stream.failure is not None or not self._tail.endswith(_ENDS):
            return b""
        elapsed_ms = self._elapsed_ms()
        if elapsed_ms < self._next_ms:
            return b""
        self._next_ms = elapsed_ms + INTERVAL_MS
        return encode(
            self._format,
            elapsed_ms=elapsed_ms,
            chunks=stream.chunks,
            tokens=max(stream.usage.output or 0, stream.chunks),
        )


def encode(format: str, *, elapsed_ms: float, chunks: int, tokens: int) -> bytes:
    """One progress event as a client of `format` can bear it."""
    data = {
        "type": "progress",
        **EMPTY.get(format, {}),
        "elapsedMs": round(elapsed_ms),
        "chunks": chunks,
        "tokens": tokens,
    }
    name = b"" if format in NAMELESS else b"event: progress\n"
    return name + b"data: " + orjson.dumps(data) + b"\n\n"
