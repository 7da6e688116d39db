"""All that leans on Sanic's insides: its protocol with our parser, its requests, its answers.

Sanic routes, handles and writes; how bytes become requests is ours (`parser`). What is overridden
or read here is held by a contract test, since Sanic promises none of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from sanic import HTTPResponse
from sanic.compat import Header
from sanic.exceptions import BadRequest, PayloadTooLarge, RequestTimeout, SanicException
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
        _receive_more: Any
        _send: Any

    __slots__ = (
        *("_drain_until_s", "_drained", "_events", "_incoming", "_parser", "_unasked"),
        "on_leave",
    )

    def __init__(self, protocol: Any) -> None:
        super().__init__(protocol)
        self._parser = RequestParser()
        self._events = self._parser.events
        self._incoming: bytearray = protocol.recv_buffer
        self._drain_until_s = 0.0
        self._drained = 0
        self._unasked = False
        """The client waits to be told to send its body, and was told no."""
        self.on_leave: Callable[[], None] | None = None
        """Of a connection that has left HTTP: hears that the server is about to stop."""

    @property
    def recv_buffer(self) -> object:  # pyright: ignore[reportIncompatibleVariableOverride] - a slot there
        """True when something has come; Sanic asks nothing else of it."""
        return self._events or self._incoming

    @recv_buffer.setter
    def recv_buffer(self, value: bytearray) -> None:
        self._incoming = value

    async def http1_request_header(self) -> None:
        """Make the next request. Raises what becomes an error answer and a closed connection."""
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
        protocol = self.protocol
        self.keep_alive = head.keep_alive
        self.head_only = head.method == "HEAD"
        headers = Header(head.headers)
        request = protocol.request_class(
            url_bytes=head.target,
            headers=headers,
            version=head.version,
            method=head.method,
            transport=protocol.transport,
            app=protocol.app,
        )
        # `Request.get_current()` stays unset: each timer, task or reader that begins meanwhile
        # would copy it, and hold the request's body for as long as it lives.
        self.url = head.target.decode("ascii")
        self.upgrade_websocket = False
        self.expecting_continue = head.expects_continue and head.has_body
        self.request_bytes = 0
        self.request_bytes_left = head.length
        self.request_body = "chunked" if head.length is None else head.has_body
        self._drain_until_s, self._drained, self._unasked = 0.0, 0, False
        if not head.has_body:
            self._end()
        self.request, request.stream = request, self
        protocol.state["requests_count"] += 1

    async def read(self) -> bytes | None:
        """The next piece of the body, None behind the last."""
        if self.stage is not Stage.HANDLER:
            return await self._drain()
        bound: BodyBound = self.request.bound
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
        return sum(len(event) for event in self._events if isinstance(event, bytes)) >= left

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


class EdgeRequest(Request):
    """A request whose body is read when its handler asks, and not for longer than it may take."""

    silence_s = SILENCE_S
    bound = BodyBound(0, "nothing on this path takes a body")
    """Set before it is read."""

    async def receive_body(self) -> None:
        """Raises RequestTimeout when the body stalls, PayloadTooLarge, BadRequest."""
        stream = cast("EdgeHttp", self.stream)
        if self.body or not stream.request_body:
            return
        pieces: list[bytes] = []
        if stream.is_here():
            pieces = [piece async for piece in stream]  # nothing to wait for, so nothing to bound
            self.body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            return
        clock = asyncio.get_running_loop().time
        ends = clock() + BODY_S
        try:
            async with asyncio.timeout(self.silence_s) as bound:
                async for piece in stream:
                    pieces.append(piece)
                    bound.reschedule(min(clock() + self.silence_s, ends))
        except TimeoutError:
            stream.keep_alive = False
            stream.request_body = None  # or Sanic would wait for the rest before it closes
            raise RequestTimeout("the body stalled") from None
        self.body = b"".join(pieces)


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


def was_read(request: Request) -> bool:
    """Whether this is a client's request: Sanic makes one up to answer what could not be read."""
    return request.method != "NONE"


def headers_of(request: Request) -> Mapping[str, str]:
    """By lower-case name; a repeated header shows its first value."""
    return cast(Mapping[str, str], request.headers)


def all_values(request: Request, name: str) -> list[str]:
    """Every value of a header, in order."""
    headers: Any = request.headers
    return list(headers.getall(name, ()))
