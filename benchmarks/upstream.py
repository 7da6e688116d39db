"""The provider stand-in: a raw asyncio protocol that answers fixed bytes, in its own process."""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

from benchmarks.payload import completion, stream_events


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


_BODY = completion()
_REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
    len(_BODY),
    _BODY,
)
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
_STREAM = [*(_framed(event) for event in stream_events()), b"0\r\n\r\n"]


class Upstream(asyncio.Protocol):
    """One connection, kept alive. Reads just enough of HTTP/1.1 to know where a request ends."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._transport is not None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _content_length(self._buffer[:end])
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            if b'"stream": true' in body or b'"stream":true' in body:
                self._transport.write(_STREAM_HEAD)
                self._loop.call_soon(self._send, 0)
            else:
                self._transport.write(_REPLY)

    def _send(self, index: int) -> None:
        # One event, one write, one turn of the loop: streams interleave as those of a real
        # provider do, and a receiver cannot take a whole answer in one read.
        if self._transport is None:
            return
        self._transport.write(_STREAM[index])
        if index + 1 < len(_STREAM):
            self._loop.call_soon(self._send, index + 1)


def _content_length(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(b"content-length:")
    if at < 0:
        return 0
    return int(lower[at + 15 :].split(b"\r\n", 1)[0])


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
