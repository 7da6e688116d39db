"""An upstream that plays a script: real sockets, plain asyncio, every byte under test control.

    hold = asyncio.Event()
    async with scripted_upstream([HEAD, FRAMES[:9], hold, FRAMES[9:]]) as upstream:
        ...                                  # upstream.url is "http://127.0.0.1:<port>"
        hold.set()                           # until here the stream stood still: no sleep

For each request the steps are played in order, after head and body have been read:

- `bytes` are written (and flushed into the socket); a function is asked for them at that moment,
  for an answer that tells the time;
- an `asyncio.Event` is waited for; `HANG` waits for ever;
- `CUT` closes the connection, `RESET` breaks it with a TCP reset;
- `DROP_HALF` closes only our sending side.

A script that plays out leaves the connection open for the next request, which starts the script
anew. A function instead of a list gets the `Recorded` request and returns the steps for it, so that
answers can differ from one request to the next.

`upstream.requests` holds what came in. `await upstream.received(n)` waits for the n-th request;
`upstream.left` is an Event, set when a client closes a connection while its script is being played.
Waiting is bounded everywhere: a test fails loudly instead of hanging.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

WAIT_S = 10.0


class Act(Enum):
    """Steps that are neither bytes nor a wait."""

    CUT = "cut"
    RESET = "reset"
    DROP_HALF = "drop-half"
    HANG = "hang"


CUT, RESET, DROP_HALF, HANG = Act.CUT, Act.RESET, Act.DROP_HALF, Act.HANG

Step = bytes | Callable[[], bytes] | asyncio.Event | Act
Script = Sequence[Step]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request as it came over the wire; header names lower-case, the last of equal ones wins."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    raw_head: bytes
    connection: int
    """Which connection of the upstream it came on, from 0: shows what was reused."""

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class ScriptedUpstream:
    url: str
    port: int
    requests: list[Recorded] = field(default_factory=list[Recorded])
    connections: int = 0
    ended: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)
    written_bytes: int = 0
    """Bytes of answers that the operating system has taken."""
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def received(self, count: int = 1) -> Recorded:
        """The request number `count` (from 1), once it is here."""
        async with asyncio.timeout(WAIT_S), self._news:
            await self._news.wait_for(lambda: len(self.requests) >= count)
        return self.requests[count - 1]

    async def closed(self, count: int = 1) -> None:
        """Until `count` connections have ended, whoever ended them."""
        async with asyncio.timeout(WAIT_S), self._news:
            await self._news.wait_for(lambda: self.ended >= count)

    async def wait_left(self) -> None:
        """Until a client closed a connection under us."""
        async with asyncio.timeout(WAIT_S):
            await self.left.wait()

    async def _end(self, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
        async with self._news:
            self.ended += 1
            self._news.notify_all()

    async def _record(self, request: Recorded) -> None:
        async with self._news:
            self.requests.append(request)
            self._news.notify_all()


def respond(
    body: bytes = b"{}",
    *,
    status: int = 200,
    content_type: str = "application/json",
    headers: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """A whole answer with its length."""
    extra = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = (
        f"HTTP/1.1 {status} Scripted\r\ncontent-type: {content_type}\r\n{extra}"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def sse_head(*, headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    """The head of an event stream that ends when the connection does, as `chunk` is not needed."""
    extra = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{extra}connection: close"
    return f"{head}\r\n\r\n".encode()


def chunked_head(*, status: int = 200, content_type: str = "text/event-stream") -> bytes:
    """The head of a chunked answer; follow with `chunk(…)` and end with `LAST_CHUNK`."""
    return (
        f"HTTP/1.1 {status} Scripted\r\ncontent-type: {content_type}\r\n"
        "transfer-encoding: chunked\r\n\r\n"
    ).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


@asynccontextmanager
async def scripted_upstream(
    script: Script | Callable[[Recorded], Script], *, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[ScriptedUpstream]:
    """Serve `script` on 127.0.0.1, port 0, with TLS if a context is given."""

    def make_script(request: Recorded) -> Script:
        return script(request) if callable(script) else script

    serving: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        number, upstream.connections = upstream.connections, upstream.connections + 1
        try:
            while (request := await _read_request(reader, number)) is not None:
                await upstream._record(request)  # pyright: ignore[reportPrivateUsage] - same module
                if not await _play(make_script(request), upstream, writer):
                    return
        except (ConnectionError, ssl.SSLError):
            upstream.left.set()
        except asyncio.CancelledError:
            # The test is over. StreamReaderProtocol would report a cancelled handler, and a polite
            # end of TLS would wait for a client that keeps its connection.
            writer.transport.abort()
            return
        finally:
            serving.discard(task)
            writer.close()
            await upstream._end(writer)  # pyright: ignore[reportPrivateUsage] - same module

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Watched(handle), "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    upstream = ScriptedUpstream(f"{'https' if tls else 'http'}://127.0.0.1:{port}", port)
    try:
        yield upstream
    finally:
        server.close()
        running = [task for task in serving if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=WAIT_S)


async def _read_request(reader: asyncio.StreamReader, connection: int) -> Recorded | None:
    """The next request, None when the client closed the connection in between."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    pairs = (line.split(":", 1) for line in lines[1:] if line)
    headers = {name.lower(): value.strip() for name, value in pairs}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _read_chunked(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Recorded(method, target, headers, body, head, connection)


async def _read_chunked(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return body


class _Watched(asyncio.StreamReaderProtocol):
    """Tells at once when the other side closes, also while nobody reads."""

    def __init__(self, serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]) -> None:
        super().__init__(asyncio.StreamReader(limit=1 << 22), serve)
        self.gone = asyncio.Event()

    def eof_received(self) -> bool | None:
        self.gone.set()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        super().connection_lost(exc)


async def _play(script: Script, upstream: ScriptedUpstream, writer: asyncio.StreamWriter) -> bool:
    """Play the steps until the client leaves; False when the connection is over."""
    watched = writer.transport.get_protocol()
    assert isinstance(watched, _Watched)
    gone = asyncio.ensure_future(watched.gone.wait())
    steps = asyncio.ensure_future(_steps(script, upstream, writer))
    try:
        await asyncio.wait((gone, steps), return_when=asyncio.FIRST_COMPLETED)
        if steps.done():
            return steps.result()
        upstream.left.set()
        return False
    finally:
        for task in (gone, steps):
            task.cancel()
        await asyncio.gather(gone, steps, return_exceptions=True)


async def _steps(script: Script, upstream: ScriptedUpstream, writer: asyncio.StreamWriter) -> bool:
    for step in script:
        match step:
            case asyncio.Event():
                await step.wait()
            case Act.CUT:
                writer.close()
                return False
            case Act.RESET:
                sock: socket.socket = writer.get_extra_info("socket")
                linger = struct.pack("ii", 1, 0)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
                return False
            case Act.DROP_HALF:
                writer.write_eof()
            case Act.HANG:
                await asyncio.Event().wait()
            case _:
                data = step if isinstance(step, bytes) else step()
                writer.write(data)
                await writer.drain()
                upstream.written_bytes += len(data)
    return True
