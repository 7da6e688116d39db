"""Tiny proxies for tests: HTTP (CONNECT and forwarding) and SOCKS5, with credentials."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

USER, WORD = "user", "p@ss:w"
_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Seen:
    """What a proxy was asked for: `host:port` of tunnels, first lines of forwarded requests."""

    port: int = 0
    asked: list[str] = field(default_factory=list[str])


@asynccontextmanager
async def http_proxy(tls: ssl.SSLContext | None = None) -> AsyncGenerator[Seen]:
    """Wants Basic credentials; tunnels go to 127.0.0.1 whatever the name, so none is resolved."""
    wanted = f"Basic {b64encode(f'{USER}:{WORD}'.encode()).decode()}"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split("\r\n", 1)[0].split(" ")
        lines = [line for line in head.split("\r\n") if line]
        kept = [line for line in lines if not line.lower().startswith("proxy-authorization:")]
        if f"proxy-authorization: {wanted}".lower() not in (line.lower() for line in lines):
            writer.write(b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n")
            return
        seen.asked.append(target)
        if method == "CONNECT":
            upstream = await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2]))
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        else:
            port = int(target.split("/")[2].rpartition(":")[2])
            upstream = await asyncio.open_connection("127.0.0.1", port)
            path = "/" + target.split("/", 3)[3]
            kept[0] = f"{method} {path} HTTP/1.1"
            upstream[1].write("\r\n".join([*kept, "", ""]).encode())
        await _splice((reader, writer), upstream)

    async with _serving(serve, tls) as seen:
        yield seen


@asynccontextmanager
async def socks5_proxy() -> AsyncGenerator[Seen]:
    """Wants a user name and a password; names are not resolved, as above."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        if 2 not in methods:
            writer.write(b"\x05\xff")
            return
        writer.write(b"\x05\x02")
        _, size = await reader.readexactly(2)
        user = (await reader.readexactly(size)).decode()
        word = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        if (user, word) != (USER, WORD):
            writer.write(b"\x01\x01")
            return
        writer.write(b"\x01\x00")
        kind = (await reader.readexactly(4))[3]
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = ".".join(str(part) for part in await reader.readexactly(4))
        port = int.from_bytes(await reader.readexactly(2), "big")
        seen.asked.append(f"{host}:{port}")
        try:
            upstream = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.write(b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00")
            return
        writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        await _splice((reader, writer), upstream)

    async with _serving(serve) as seen:
        yield seen


@asynccontextmanager
async def _serving(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter, Seen], Awaitable[None]],
    tls: ssl.SSLContext | None = None,
) -> AsyncGenerator[Seen]:
    seen = Seen()
    running: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await serve(reader, writer, seen)
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            running.discard(task)
            # A polite end of TLS would wait for a client that keeps its connection.
            (writer.close if tls is None else writer.transport.abort)()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        tasks = list(running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _splice(one: _Streams, other: _Streams) -> None:
    """Bytes both ways until either side ends."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    ways = [asyncio.ensure_future(copy(one[0], other[1]))]
    ways.append(asyncio.ensure_future(copy(other[0], one[1])))
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        other[1].close()
