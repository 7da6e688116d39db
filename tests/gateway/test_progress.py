"""When a progress event goes out, and where between the others."""

from __future__ import annotations

from typing import cast

import pytest

from omniroute.gateway.progress import ProgressSink
from omniroute.translation.values import Stream, Usage
from tests.translation.tables import formats


class Seen:
    """A stream's counts, as the sink reads them."""

    def __init__(self) -> None:
        self.done = False
        self.failure = None
        self.usage = Usage()
        self.chunks = 0


class Client:
    """Takes what it is sent."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    async def send(self, data: bytes) -> None:
        self.got.append(data)

    async def nudge(self, data: bytes) -> bool:
        self.got.append(data)
        return True

    async def end(self) -> None:
        self.got.append(b"END")

    def abort(self) -> None:
        self.got.append(b"ABORT")


class Stage:
    def __init__(self, format: str = "anthropic") -> None:
        self.now_ms = 0.0
        self.stream = Seen()
        self.client = Client()
        self.sink = ProgressSink(
            self.client,
            cast("Stream", self.stream),
            client=formats().client(format),
            elapsed_ms=lambda: self.now_ms,
        )

    async def send(self, data: bytes, *, at_ms: float, chunks: int) -> bytes:
        """What was put before `data`."""
        self.now_ms, self.stream.chunks = at_ms, chunks
        await self.sink.send(data)
        assert self.client.got[-1].endswith(data)
        return self.client.got[-1].removesuffix(data)


FRAME = b"event: x\ndata: {}\n\n"


async def test_at_most_once_a_second_and_never_first() -> None:
    stage = Stage()
    assert await stage.send(FRAME, at_ms=400, chunks=1) == b""
    assert await stage.send(FRAME, at_ms=500, chunks=2) == (
        b'event: progress\ndata: {"type":"progress","elapsedMs":500,"chunks":2,"tokens":2}\n\n'
    )
    assert await stage.send(FRAME, at_ms=1499, chunks=3) == b""
    assert b'"elapsedMs":1500' in await stage.send(FRAME, at_ms=1500, chunks=4)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"], ids=["lf", "crlf", "cr"])
async def test_never_inside_an_event(end: bytes) -> None:
    frame = b"data: {}" + end
    for at in range(1, len(frame)):
        stage = Stage()
        await stage.send(frame[:at], at_ms=1, chunks=1)
        assert await stage.send(frame[at:], at_ms=2, chunks=1) == b""
        assert await stage.send(frame, at_ms=3, chunks=2) != b""


async def test_never_after_the_last_event() -> None:
    stage = Stage()
    await stage.send(FRAME, at_ms=1, chunks=1)
    stage.stream.done = True
    assert await stage.send(FRAME, at_ms=5000, chunks=1) == b""
    await stage.sink.end()
    assert stage.client.got[-1] == b"END"


async def test_reported_tokens_win_over_counted_chunks() -> None:
    stage = Stage("gemini")
    await stage.send(FRAME, at_ms=1, chunks=1)
    stage.stream.usage = Usage(output=40)
    note = await stage.send(FRAME, at_ms=2, chunks=2)
    assert note.startswith(b"data: ")  # Google's SDK knows no other lines
    assert b'"candidates":[]' in note
    assert b'"tokens":40' in note
