"""One HTTP/1.1 connection to a provider, as a protocol of asyncio; llhttp does the parsing.

    idle ──send──► waiting ──head──► reading ──end──► idle (keep-alive) or closed
      └───────────────┴──────────────────┴─────────── lost or abort ──► closed

The loop moves it by what arrives, its one user by `send`, `head`, `read` and `abort`. Bytes that
nobody asked for while idle close it. At most `HIGH_BYTES` and one socket read wait in memory: then
the socket is not read until the user has taken them, and TCP holds the provider back.
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from functools import lru_cache
from typing import Final, Literal, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from omniroute.errors import UpstreamCutError, UpstreamError, UpstreamTimeoutError
from omniroute.upstream.client import FileSource

Phase = Literal["connect", "first_byte", "idle", "total"]

HIGH_BYTES: Final = 64 << 10
MAX_HEAD_BYTES: Final = 128 << 10  # a head is a few KiB; memory per connection
_ONE_WRITE_BYTES: Final = 64 << 10  # below it, one write for head and body saves a packet
_SAID: Final[dict[Phase, str]] = {
    "connect": "no connection within",
    "first_byte": "no answer within",
    "idle": "silent in mid-answer for",
    "total": "the request's deadline passed",
}


def timeout_error(phase: Phase, seconds: float) -> UpstreamTimeoutError:
    said = _SAID[phase]
    return UpstreamTimeoutError(said if phase == "total" else f"{said} {seconds:g} s", phase=phase)


class Http1Connection(asyncio.Protocol):
    """Owned by one exchange at a time; the pool owns it in between."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[bool] | None = None
        """True tells that something has happened, False that it is too late."""
        self._alarm: asyncio.TimerHandle | None = None
        self._due = 0.0
        """When the wait is over. The alarm may ring before: it is set again only then, so that a
        stream's thousand reads do not each start and cancel a timer."""
        self._parser = HttpResponseParser(self)
        self._chunks: deque[bytes] = deque()
        self._held_bytes = 0
        self._paused = False
        self._is_full = False
        """The other side takes nothing at the moment."""
        self._busy = False
        self._failure: UpstreamError | None = None
        self._head_bytes = 0
        self._head_done = False
        self._framed = False
        self._keep_alive = False
        self.done = False
        """The answer's end has arrived; what is held can still be read."""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.closed = False
        self.news: select.poll | None = None
        """Tells whether bytes or an end lie unread in the socket; None when there is none."""
        self.expires = 0.0
        """While idle: the loop time at which to close."""

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        descriptor = -1 if sock is None else cast(int, sock.fileno())
        if descriptor >= 0:
            self.news = select.poll()
            self.news.register(descriptor, select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if not self._busy or self.done:
            self.abort()
            return
        if not self._head_done:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._fail("the provider switched to another protocol")
        except HttpParserError as error:
            # A callback of ours that failed is wrapped: its own words are the better ones.
            self._fail(f"the provider's answer is not HTTP: {error.__context__ or error}")
        if not self._head_done and self._head_bytes > MAX_HEAD_BYTES:
            self._fail("the head of the provider's answer is too long")
        if self._held_bytes > HIGH_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._wake()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._transport = None
        self.news = None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._busy and not self.done:
            if self._head_done and not self._framed and exc is None:
                self.done = True  # an answer without a length ends where the connection ends
            elif self._head_done:
                self._fail("the connection broke in mid-answer")
            else:
                self._fail("the connection closed before an answer came")
        self._wake()

    # What llhttp calls.

    def on_message_begin(self) -> None:
        if self.done:
            raise ValueError("bytes follow the end of the answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        known = self.headers.get(key)
        self.headers[key] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 200:
            return
        self._head_done = True
        self._framed = "content-length" in self.headers or "transfer-encoding" in self.headers
        self._keep_alive = self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        self._chunks.append(data)
        self._held_bytes += len(data)

    def on_message_complete(self) -> None:
        if self._head_done:
            self.done = True
        else:
            self.headers.clear()  # 100 Continue and 103 Early Hints: the answer is still to come

    # What the exchange calls.

    def send(self, head: bytes, body: bytes) -> None:
        """Start a request on an idle connection."""
        if self._transport is None:
            raise UpstreamCutError("the connection closed before an answer came")
        self._busy = True
        if len(body) <= _ONE_WRITE_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)

    async def send_file(
        self, file: FileSource, tail: bytes, stall_s: float, deadline: float | None
    ) -> None:
        """The rest of a request, as fast as the other side takes it; not all of it, where that
        answers before: it refuses what it has not read."""
        sent = 0
        while sent < file.size_bytes:
            piece = await file.read(sent)
            if not piece:
                raise UpstreamCutError("the file ended before its length")
            sent += len(piece)
            if not await self._write(piece, stall_s, deadline):
                return
        await self._write(tail, stall_s, deadline)

    async def _write(self, data: bytes, stall_s: float, deadline: float | None) -> bool:
        """Whether the other side takes it, and more."""
        transport, at = self._transport, self._loop.time() + stall_s
        if transport is not None and not self._head_done:
            transport.write(data)
        while self._is_full and not self._head_done and self._failure is None:
            await self._wait(at, "first_byte", stall_s, deadline)
        if self._failure is not None and not self._head_done:
            raise self._failure
        if self._head_done:
            self._keep_alive = False  # what it has not read may not stand in front of the next
        return not self._head_done

    async def head(self, first_byte_s: float, deadline: float | None) -> None:
        """Wait until `status` and `headers` are those of the answer."""
        at = self._loop.time() + first_byte_s
        while not self._head_done:
            if self._failure is not None:
                raise self._failure
            await self._wait(at, "first_byte", first_byte_s, deadline)

    async def read(self, idle_s: float, deadline: float | None) -> bytes:
        """What has arrived, or the next that arrives; `b""` at the end of the answer."""
        while not self._chunks:
            if self.done:
                return b""
            if self._failure is not None:
                raise self._failure
            await self._wait(self._loop.time() + idle_s, "idle", idle_s, deadline)
        if deadline is not None and self._loop.time() >= deadline:
            raise timeout_error("total", 0)
        data = self._chunks.popleft() if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._held_bytes = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    def reusable(self) -> bool:
        """The answer has ended, all of it was read, and the other side keeps the connection."""
        return (
            self.done
            and self._keep_alive
            and not self._chunks
            and self._transport is not None
            and not self._transport.is_closing()
            and self._transport.get_write_buffer_size() == 0
        )

    def rest(self, until: float) -> None:
        """Become idle, ready for another request, until a time of the loop."""
        self._parser = HttpResponseParser(self)
        self.headers = {}
        self._head_bytes = 0
        self._busy = self._head_done = self._framed = self.done = False
        self.expires = until

    def abort(self) -> None:
        """Close at once, without flushing; safe to call twice."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self, at: float, phase: Phase, seconds: float, deadline: float | None) -> None:
        if deadline is not None and deadline < at:
            at, phase = deadline, "total"
        self._due = at
        if self._alarm is None or self._alarm.when() > at:
            self._set_alarm(at)
        self._waiter = self._loop.create_future()
        try:
            if not await self._waiter:
                raise timeout_error(phase, seconds)
        finally:
            self._waiter = None

    def _set_alarm(self, at: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._due:
            self._set_alarm(self._due)
        else:
            self._waiter.set_result(False)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(True)

    def _fail(self, message: str) -> None:
        if self._failure is None:
            self._failure = UpstreamCutError(message)
        self.abort()


def render_head(
    method: str,
    target: str,
    headers: tuple[tuple[str, str], ...],
    *,
    host: str,
    own: tuple[tuple[str, str], ...] = (),
    body_bytes: int,
) -> bytes:
    """The head of a request. Raises ValueError when a header would break out of its line."""
    lines = [f"{name}: {value}" for name, value in own]
    if body_bytes or method not in ("GET", "DELETE"):
        lines.append(f"content-length: {body_bytes}")
    lines.append("\r\n")
    text = "\r\n".join(lines)
    _need_lines(text, len(lines))
    return _render_shared(method, target, headers, host) + text.encode("utf-8")


@lru_cache(maxsize=256)  # one per connection of a provider; more only where paths name models
def _render_shared(
    method: str, target: str, headers: tuple[tuple[str, str], ...], host: str
) -> bytes:
    """The lines of a head that are the same for every request."""
    lines = [f"{method} {target} HTTP/1.1", f"host: {host}"]
    names: set[str] = set()
    for name, value in headers:
        lowered = name.lower()
        if lowered in _OURS:
            continue
        names.add(lowered)
        lines.append(f"{name}: {value}")
    lines.append("accept-encoding: identity")
    lines += [f"{name}: {value}" for name, value in _DEFAULTS if name not in names]
    lines.append("")
    text = "\r\n".join(lines)
    _need_lines(text, len(lines) - 1)
    return text.encode("utf-8")


def _need_lines(text: str, count: int) -> None:
    if text.count("\n") != count or text.count("\r") != count or "\0" in text:
        raise ValueError("a header holds a line break")


_OURS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "keep-alive"}
)
_DEFAULTS: Final = (("user-agent", "omniroute"), ("accept", "*/*"))
