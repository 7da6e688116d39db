"""Progress for clients that ask for it: how long, how many chunks, how many tokens so far.

A progress event goes between two events of the client's own format, at most once a second, never
before the first of them and never after the last. SDKs do not skip events that they do not know, so
its data is at the same time an empty piece of the client's format, as its table says
(`client.progress`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from omniroute.request.inbound import Inbound, Sink
from omniroute.translation.values import ClientFormat, Stream

HEADER: Final = "X-OmniRoute-Progress"
_ASKED: Final = HEADER.lower()
INTERVAL_MS: Final = 1000.0
_ENDS: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")
"""How an event of an SSE stream ends."""


def wants_progress(inbound: Inbound, content_type: str) -> bool:
    """Only event streams have room for events that are not the format's own."""
    asked = inbound.headers.get(_ASKED, "").strip().lower()
    return asked == "true" and content_type.startswith("text/event-stream")


class ProgressSink:
    """A sink that puts a progress event before what it is given, when one is due."""

    def __init__(
        self, sink: Sink, stream: Stream, *, client: ClientFormat, elapsed_ms: Callable[[], float]
    ) -> None:
        self._sink = sink
        self._stream = stream
        self._client = client
        self._elapsed_ms = elapsed_ms
        self._tail = b""
        self._next_ms = 0.0

    async def send(self, data: bytes) -> None:
        note = self._note()
        self._tail = (self._tail + data[-4:])[-4:]
        await self._sink.send(note + data if note else data)

    async def nudge(self, data: bytes) -> bool:
        return await self._sink.nudge(data)

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
        return self._client.progress(
            {
                "elapsedMs": round(elapsed_ms),
                "chunks": stream.chunks,
                "tokens": max(stream.usage.output or 0, stream.chunks),
            }
        )
