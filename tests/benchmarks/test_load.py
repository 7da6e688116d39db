"""The load generator counts what was answered, however it was cut, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.load import Client, Run, measure
from benchmarks.payload import STREAM_EVENTS, Asks, stream_events
from benchmarks.upstream import Upstream

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Wire(asyncio.Transport):
    """Takes what is written and is closed when told; no socket behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.written.append(b"closed")


async def run_against(
    protocol: Callable[[], asyncio.Protocol], *, stream: bool, limit: int, asks: Asks = "chat"
) -> dict[str, object]:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    async with server:
        return await measure(
            port=server.sockets[0].getsockname()[1],
            model="m",
            key="k",
            stream=stream,
            connections=4,
            seconds=10,
            limit=limit,
            asks=asks,
        )


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_every_answer_is_counted_once(*, stream: bool) -> None:
    figures = await run_against(Upstream, stream=stream, limit=20)
    assert (figures["requests"], figures["errors"]) == (20, 0)
    assert figures["events"] == (20 * STREAM_EVENTS if stream else 0)


async def test_events_of_another_format_are_as_many_as_the_first_answer_had() -> None:
    figures = await run_against(Upstream, stream=True, limit=8, asks="messages")
    assert (figures["errors"], figures["events"]) == (0, 8 * STREAM_EVENTS)


class Refusing(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert isinstance(self._transport, asyncio.Transport)
        self._transport.write(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")


async def test_a_refusal_is_an_error() -> None:
    figures = await run_against(Refusing, stream=True, limit=4)
    assert (figures["errors"], figures["first_error"]) == (4, "http/1.1 503 busy")


@settings(deadline=None)
@given(chunk_sizes=st.lists(st.integers(1, 400), min_size=1), read_size=st.integers(1, 3000))
def test_events_are_counted_however_they_are_cut(chunk_sizes: list[int], read_size: int) -> None:
    body, chunks = b"".join(stream_events()), list[bytes]()
    while body:
        size = chunk_sizes[len(chunks) % len(chunk_sizes)]
        chunks.append(b"%x\r\n%s\r\n" % (len(body[:size]), body[:size]))
        body = body[size:]
    sent = HEAD + b"".join(chunks) + b"0\r\n\r\n"
    run = Run(b"ask", expected=STREAM_EVENTS, seconds=10, max_requests=1)
    client, wire = Client(run), Wire()
    client.connection_made(wire)
    for start in range(0, len(sent), read_size):
        client.data_received(sent[start : start + read_size])
    assert (run.events, run.errors, wire.written) == (STREAM_EVENTS, [], [b"ask", b"closed"])
