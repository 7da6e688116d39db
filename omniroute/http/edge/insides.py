"""All that leans on Sanic's insides: its protocol with our parser, its requests, its answers.

Sanic routes, handles and writes; how bytes become requests is ours (`parser`). What is overridden
or read here is held by a contract test, since Sanic promises none of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from sanic import HTTPResponse
from sanic.compat import Header
from sanic.exceptions import (
    BadRequest,
    PayloadTooLarge,
    RequestCancelled,
    RequestTimeout,
    SanicException,
    ServerError,
)
from sanic.helpers import STATUS_CODES
from sanic.http.constants import Stage
from sanic.http.http1 import HTTP_CONTINUE, Http
from sanic.request import Request
from sanic.server.protocols.http_protocol import HttpProtocol

from omniroute.base.chosen import shortened
from omniroute.http.edge.parser import Head, HeadError, RequestParser

SILENCE_S: Final = 60.0
"""How long nothing of a head or a body may arrive."""
HEAD_S: Final = 60.0
"""How long a head may take altogether, so that a byte a minute holds nothing open."""
BODY_S: Final = 600.0
"""The same for a body."""
DRAIN_S: Final = 2.0
DRAIN_BYTES: Final = 64 << 20
"""Of a body that nobody wants: a client that is still sending could not read its answer."""


LONGEST_VALUE: Final = 2048
"""Characters of a header of an answer."""


Direct = Callable[["EdgeHttp", Head], Coroutine[Any, Any, None]]
"""Answers a request by itself, whatever is wrong with it. Raises CancelledError alone."""


class MalformedRequest(SanicException):
    """The parser's refusal, with the status that it chose."""


class EdgeHttp(Http):
    """One connection's requests, by our own parser; the answers are Sanic's."""

    if TYPE_CHECKING:  # Sanic's own have no types
        protocol: Any
        request: Any
        request_body: Any
        request_bytes: Any
        request_bytes_left: Any
        url: Any
        upgrade_websocket: Any
        _receive_more: Any
        _send: Any

    __slots__ = (
        *("_drain_until_s", "_drained", "_events", "_incoming", "_most", "_parser", "_unasked"),
        *("head", "on_leave"),
    )

    def __init__(self, protocol: Any) -> None:
        super().__init__(protocol)
        self._parser = RequestParser()
        self._events = self._parser.events
        self._incoming: bytearray = protocol.recv_buffer
        self._drain_until_s = 0.0
        self._drained = 0
        self._most = BodyBound(0, "nothing on this path takes a body", 0)
        self._unasked = False
        """The client waits to be told to send its body, and was told no."""
        self.head: Head | None = None
        """Of the request that is under way, once it could be read."""
        self.on_leave: Callable[[], None] | None = None
        """Of a connection that has left HTTP: hears that the server is about to stop."""

    @property
    def recv_buffer(self) -> object:  # pyright: ignore[reportIncompatibleVariableOverride] - a slot there
        """True when something has come; Sanic asks nothing else of it."""
        return self._events or self._incoming

    @recv_buffer.setter
    def recv_buffer(self, value: bytearray) -> None:
        self._incoming = value

    @property
    def peer(self) -> str:
        """The address of the TCP peer; empty when it is gone."""
        info = self.protocol.conn_info
        return "" if info is None else info.client_ip

    @property
    def transport(self) -> asyncio.WriteTransport | None:
        return self.protocol.transport

    async def http1(self) -> None:
        """The connection's requests, one after the other.

        What is asked on a path of `app.ctx.direct` goes from the parser to its handler; everything
        else becomes a request of Sanic's, and goes through its router.
        """
        while self.keep_alive and self.stage is Stage.IDLE:
            self.init_for_request()
            self.head = None
            if not self._events and not self._incoming:
                await self._receive_more()
            self.stage = Stage.REQUEST
            self.response_func = self.http1_response_header
            direct: Direct | None = None
            try:
                self.head = head = await self._next_head()
                direct = self._direct(head)
                self._begin(head)
                self.stage = Stage.HANDLER
                if direct is not None:
                    await direct(self, head)
                else:
                    await self._by_sanic(head)
            except asyncio.CancelledError as cancelled:
                if direct is not None or self.protocol.transport is None:
                    return  # the client is gone, and the request's own steps have heard of it
                lost = self.protocol.conn_info.lost
                told: Any = RequestCancelled() if lost else self.exception or cancelled
                self.exception = None
                self.keep_alive = False
                await self.error_response(told)
            except Exception as error:  # noqa: BLE001 - whatever it is, its client is told
                await self.error_response(error)
            if self.request_body:
                await self._end_of_body()
            if self.request:
                self.request.stream = None
                if self.response:
                    self.response.stream = None

    def _direct(self, head: Head) -> Direct | None:
        if head.method != "POST" or head.version != "1.1":
            return None
        paths: Mapping[bytes, Direct] = self.protocol.app.ctx.direct
        return paths.get(head.target)

    async def _by_sanic(self, head: Head) -> None:
        protocol = self.protocol
        request = protocol.request_class(
            url_bytes=head.target,
            headers=Header(head.headers),
            version=head.version,
            method=head.method,
            transport=protocol.transport,
            app=protocol.app,
        )
        # `Request.get_current()` stays unset: each timer, task or reader that begins meanwhile
        # would copy it, and hold the request's body for as long as it lives.
        self.request, request.stream = request, self
        request.conn_info = protocol.conn_info
        await protocol.request_handler(request)
        if self.stage is Stage.HANDLER and not self.upgrade_websocket:
            raise ServerError("the handler gave no answer")
        if self.stage is Stage.RESPONSE:
            await self.response.send(end_stream=True)

    async def _next_head(self) -> Head:
        """Raises what becomes an error answer and a closed connection."""
        if not self._take():
            try:
                async with asyncio.timeout(HEAD_S):
                    while not self._take():
                        await self._receive_more()
            except TimeoutError:
                raise RequestTimeout("the head stalled") from None
        head = self._events.popleft()
        if isinstance(head, HeadError):
            self._incoming.clear()
            raise MalformedRequest(str(head), status_code=head.status)
        if not isinstance(head, Head):
            raise TypeError(head)  # the parser begins each request with its head
        return head

    def _begin(self, head: Head) -> None:
        self.keep_alive = head.keep_alive
        self.head_only = head.method == "HEAD"
        self.url = head.target.decode("ascii")
        self.expecting_continue = head.expects_continue and head.has_body
        self.request_bytes = 0
        self.request_bytes_left = head.length
        self.request_body = "chunked" if head.length is None else head.has_body
        self._drain_until_s, self._drained, self._unasked = 0.0, 0, False
        if not head.has_body:
            self._end()
        self.protocol.state["requests_count"] += 1

    async def _end_of_body(self) -> None:
        """Read what of the body nobody has read, or give the connection up."""
        try:
            while self.request_body:
                await self.read()
        except (BadRequest, PayloadTooLarge):
            await asyncio.sleep(0.001)  # what was answered gets out before the connection closes
            self.keep_alive = False

    async def read_all(self, bound: BodyBound) -> bytes:
        """The body. Raises RequestTimeout when it stalls, PayloadTooLarge, BadRequest."""
        self._most = bound
        pieces: list[bytes] = []
        if self.is_here():
            if (self.request_bytes_left or 0) > bound.most_bytes:
                raise PayloadTooLarge(bound.told)
            while isinstance(piece := self._events.popleft(), bytes):
                pieces.append(piece)
            self.request_body = None
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)

        async def keep(piece: bytes) -> None:
            pieces.append(piece)

        await self.each_piece(bound, keep)
        return b"".join(pieces)

    async def each_piece(self, bound: BodyBound, take: Callable[[bytes], Awaitable[None]]) -> None:
        """Give the body to `take` as it comes. Raises as `read_all`."""
        self._most = bound
        clock = asyncio.get_running_loop().time
        ends = clock() + BODY_S
        try:
            async with asyncio.timeout(SILENCE_S) as bounded:
                while self.request_body:
                    await take(await self.read() or b"")
                    bounded.reschedule(min(clock() + SILENCE_S, ends))
        except TimeoutError:
            self.keep_alive = False
            self.request_body = None  # or the rest would be waited for before it closes
            raise RequestTimeout("the body stalled") from None

    async def read(self) -> bytes | None:
        """The next piece of the body, None behind the last."""
        if self.stage is not Stage.HANDLER:
            return await self._drain()
        bound = self._most
        if (self.request_bytes_left or 0) > bound.most_bytes:
            raise PayloadTooLarge(bound.told)  # before it is sent, where that is said
        if self.expecting_continue:
            self.expecting_continue = False
            await self._send(HTTP_CONTINUE)
        piece = await self._piece()
        if piece is not None and self.request_bytes > bound.most_bytes:
            raise PayloadTooLarge(bound.told)
        return piece

    def is_here(self) -> bool:
        """Whether nothing of the body has to be waited for."""
        self._take()
        left = self.request_bytes_left
        if not self.request_body:
            return True
        if left is None or self.expecting_continue:
            return False
        for event in self._events:
            if isinstance(event, bytes):
                left -= len(event)
        return left <= 0

    async def answer(
        self, status: int, headers: Mapping[str, str], content_type: str, body: bytes
    ) -> None:
        """The whole answer of a request that Sanic knows nothing of."""
        await self.put(self._head_of(status, headers, content_type, len(body)) + body)
        self.stage = Stage.IDLE

    def in_chunks(self, status: int, headers: Mapping[str, str], content_type: str) -> Chunks:
        """The same in chunks; the head goes out with the first of them, and until then another
        answer may."""
        return Chunks(self, self._head_of(status, headers, content_type, None))

    def has_begun(self, *, ended: bool) -> None:
        """The head of a stream is on its way, or all of it."""
        self.stage = Stage.IDLE if ended else Stage.RESPONSE

    def is_open(self) -> bool:
        """Whether nothing was answered yet."""
        return self.stage is Stage.HANDLER

    def _head_of(
        self, status: int, headers: Mapping[str, str], content_type: str, length: int | None
    ) -> bytes:
        if self.expecting_continue:
            self._unasked, self.expecting_continue, self.keep_alive = True, False, False
        framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        kept = "keep-alive" if self.keep_alive else "close"
        told = _lines({**headers, "content-type": content_type})
        return _status_line(status) + told + f"{framing}\r\nconnection: {kept}\r\n\r\n".encode()

    async def put(self, data: bytes) -> None:
        """Returns when the transport has taken it; cancelled when the client is gone."""
        protocol = self.protocol
        if not protocol._can_write.is_set():
            await protocol._can_write.wait()
        if protocol.transport is None or protocol.transport.is_closing():
            raise asyncio.CancelledError  # broken off, and its task is about to hear of it
        protocol.transport.write(data)
        protocol._time = monotonic()  # from when Sanic counts how long nothing comes

    async def http1_response_header(self, data: bytes, end_stream: bool) -> None:
        """Sanic would tell a client to go on, right before it tells it no."""
        self._unasked = self.expecting_continue
        self.expecting_continue = False
        if self._unasked:
            self.keep_alive = False
        await super().http1_response_header(data, end_stream)

    async def _piece(self) -> bytes | None:
        while not self._take():
            await self._receive_more()
        event = self._events.popleft()
        if isinstance(event, HeadError):
            self.request_body = None
            self.keep_alive = False
            self._incoming.clear()
            raise BadRequest(str(event))
        if not isinstance(event, bytes):
            self.request_body = None
            return None
        self.request_bytes += len(event)
        return event

    async def _drain(self) -> bytes | None:
        """What nobody waits for any more, up to a bound. Raises BadRequest beyond it."""
        now_s = asyncio.get_running_loop().time()
        self._drain_until_s = self._drain_until_s or now_s + DRAIN_S
        try:
            async with asyncio.timeout(self._drain_until_s - now_s):
                piece = None if self._unasked else await self._piece()
        except TimeoutError:
            piece = None
            self.keep_alive = False
        if piece is None and self.request_body:
            self.keep_alive = False
            self.request_body = None
        self._drained += len(piece or b"")
        if self._drained > DRAIN_BYTES:
            self.request_body = None
            raise BadRequest("the body is longer than anybody waits for")
        return piece

    def _take(self) -> bool:
        """Parse what has come; whether there is something to go on with."""
        if self._incoming and not self._events:
            data = bytes(self._incoming)
            self._incoming.clear()
            self._parser.feed(data)
        return bool(self._events)

    def _end(self) -> None:
        """Take the end of a request that has no body."""
        self._events.popleft()
        self.request_body = None


class Chunks:
    """The body of an answer as it comes."""

    __slots__ = ("_head", "_http")

    def __init__(self, http: EdgeHttp, head: bytes) -> None:
        self._http = http
        self._head = head

    async def send(self, data: bytes) -> None:
        head, self._head = self._head, b""
        if data:
            head += b"%x\r\n%b\r\n" % (len(data), data)
        if head:
            self._http.has_begun(ended=False)
            await self._http.put(head)

    async def eof(self) -> None:
        head, self._head = self._head, b""
        await self._http.put(head + b"0\r\n\r\n")
        self._http.has_begun(ended=True)


class EdgeProtocol(HttpProtocol):
    """One client's connection."""

    HTTP_CLASS = EdgeHttp

    def close_if_idle(self) -> bool:
        connection: Any = self
        http: EdgeHttp | None = connection.http
        if http is not None and http.on_leave is not None:
            http.on_leave()
            return False
        return super().close_if_idle()


class Wire:
    """The bytes of a connection that has left HTTP. The task that serves it is cancelled when the
    client is gone."""

    def __init__(self, http: EdgeHttp) -> None:
        self._http = http
        self._protocol: Any = http.protocol
        self._incoming: bytearray = http.protocol.recv_buffer

    def on_leave(self, leave: Callable[[], None]) -> None:
        """Let `leave` hear, more than once, that the server is about to stop."""
        self._http.on_leave = leave

    async def read(self) -> bytes:
        """What has come, once something has."""
        while not self._incoming:
            await self._protocol.receive_more()
        data = bytes(self._incoming)
        self._incoming.clear()
        return data

    async def write(self, data: bytes) -> None:
        """Returns when the transport has taken it."""
        if self._protocol.transport is None:
            raise asyncio.CancelledError  # broken off, and its task is about to hear of it
        await self._protocol.send(data)

    def abort(self) -> None:
        self._protocol.abort()


def take_over(stream: object) -> Wire:
    """A request's connection, from which no other request will be read, and to which no answer is
    written by anybody else."""
    http = cast("EdgeHttp", stream)
    http.upgrade_websocket = True
    http.keep_alive = False
    return Wire(http)


class BodyBound(NamedTuple):
    """What a body may have on a path, and what a larger one is told."""

    most_bytes: int
    told: str
    most_held_bytes: int
    """Of all bodies together."""


class HttpAnswer(HTTPResponse):
    """Sanic's answer with a cheaper head: a value without control characters goes out as it is.

    Sanic translates every name and every value, which for our ten headers costs as much as routing.
    """

    __slots__ = ()

    @property
    def processed_headers(self) -> list[tuple[bytes, bytes]]:  # pyright: ignore[reportIncompatibleMethodOverride] - Sanic only iterates
        headers: Any = self.headers
        headers.pop("alt-svc", None)  # Sanic's mark for HTTP/3, which is not spoken here: empty
        if self.status not in (204, 304):
            headers.setdefault("content-type", self.content_type)
        return [(_name(name), _value(f"{value}")) for name, value in headers.items()]


@lru_cache(maxsize=64)
def _status_line(status: int) -> bytes:
    return b"HTTP/1.1 %d %b\r\n" % (status, STATUS_CODES.get(status, b"UNKNOWN"))


def _lines(headers: Mapping[str, str]) -> bytes:
    """Header lines; the names are ours."""
    values = headers.values()
    if "".join(values).isprintable() and max(map(len, values), default=0) <= LONGEST_VALUE:
        return "".join([f"{name}: {value}\r\n" for name, value in headers.items()]).encode()
    return b"".join(
        [b"%b: %b\r\n" % (_name(name), _value(value)) for name, value in headers.items()]
    )


@lru_cache(maxsize=256)  # the names are ours, some forty
def _name(name: str) -> bytes:
    return _safe(name).encode("ascii")


def _value(value: str) -> bytes:
    """Whatever made it: a client's or a proxy's parser takes a head up to some size alone."""
    if len(value) > LONGEST_VALUE:
        value = shortened(value, LONGEST_VALUE)
    if not value.isprintable():
        value = _safe(value)
    return value.encode(errors="surrogateescape")


def _safe(text: str) -> str:
    """Without anything that could end the line: header injection ends here."""
    return "".join(character for character in text if character >= " " and character != "\x7f")


def connection_of(request: Request) -> EdgeHttp:
    """The connection that a request came on."""
    return cast("EdgeHttp", request.stream)
