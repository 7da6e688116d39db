"""Requests off the wire, strictly: bytes in, heads and pieces of bodies out. Knows no socket.

llhttp reads heads and chunks (RFC 9112 without its leniences: no bare LF, no blank before a colon,
no folded line, no second length); what it leaves to its user is refused here: the version, the
Host, a coding of the transfer that is not `chunked`, a target that is no path.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Final

import httptools
from msgspec import Struct

MAX_HEAD_BYTES: Final = 16384
"""Of a head, request line and all."""
_SLICE: Final = 4096
"""How much is read at once while a head is not complete, so that it cannot grow unseen."""
MAX_HEADERS: Final = 200


class HeadError(Exception):
    """The bytes are no request that is taken; nothing behind them can be trusted either."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Head(Struct, frozen=True, kw_only=True):
    """A request's head; `headers` in order, names in lower case."""

    method: str
    target: bytes
    """A path with its query, ASCII; what an absolute URL says of host and scheme is left out."""
    version: str
    headers: list[tuple[str, str]]
    first: dict[str, str]
    """By name, the first value of each header."""
    keep_alive: bool
    length: int | None
    """Of the body, in bytes; None for one in chunks."""
    has_body: bool
    expects_continue: bool


class End:
    """A request's body is complete."""


_TELLING: Final = frozenset({"host", "content-length", "transfer-encoding", "expect"})
"""Headers that say how to read a request."""
_NAMES: Final = {
    spelled.encode(): name
    for name in (
        *_TELLING,
        *("accept", "accept-encoding", "accept-language"),
        *("authorization", "connection", "content-type", "user-agent", "x-api-key"),
        *("x-goog-api-key", "x-request-id", "x-stainless-lang", "x-stainless-os"),
    )
    for spelled in (name, name.title())
}
"""As most clients write them."""
_NO_HOST: Final = re.compile(r"[ ,/@\\]")

END: Final = End()
Event = Head | bytes | End


class RequestParser:
    """One connection's requests, in the order in which they came."""

    def __init__(self) -> None:
        self.events: deque[Event | HeadError] = deque()
        self._parser = httptools.HttpRequestParser(self)
        self._failed = False
        self._skipping = False
        """Reading a head of our own making, see `_without_upgrade`."""
        self._begin()

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes; what they hold is then in `events`, a fault last."""
        rest = data
        while rest and not self._failed:
            is_body = self._in_body
            if is_body or len(rest) <= _SLICE:
                piece, rest = rest, b""
            else:
                view = memoryview(rest)
                piece, rest = view[:_SLICE], view[_SLICE:]
            self._feed(piece)
            if not (is_body or self._in_body or self._failed):
                self._head_bytes += len(piece)
                try:
                    self._check_size()
                except HeadError as error:
                    self._fail(error)

    def _feed(self, piece: bytes | bytearray | memoryview) -> None:
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            at: int = upgrade.args[0]
            self._without_upgrade(bytes(piece[at:]))
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            self._fail(cause if isinstance(cause, HeadError) else HeadError(str(error)))
        except httptools.HttpParserError as error:
            self._fail(HeadError(f"the request is malformed: {error}"))

    def _fail(self, error: HeadError) -> None:
        self._failed = True
        self.events.append(error)

    def _begin(self) -> None:
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._in_body = False
        self._length: int | None = 0

    def _without_upgrade(self, rest: bytes) -> None:
        """Go on with the body of a request that asks for another protocol, which nobody offers.

        llhttp stops behind such a head. A fresh parser is brought to the same place by a head that
        says nothing but how the body is framed.
        """
        if self._headers or not self._in_body:
            raise AssertionError("llhttp stops behind a head")
        length = self._length
        framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        self._parser = httptools.HttpRequestParser(self)
        if length == 0:
            self.events.append(END)
            self._begin()
        else:
            self._skipping = True
            self._parser.feed_data(f"POST / HTTP/1.1\r\n{framing}\r\n\r\n".encode())
            self._skipping = False
        self.feed(rest)

    # llhttp's callbacks

    def on_message_begin(self) -> None:
        if not self._skipping:
            self._begin()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:
            return  # a trailer changes nothing, and a head of our own making says nothing
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._skipping:
            return
        if self._head_bytes or len(self._headers) > MAX_HEADERS:
            self._check_size()
        self.events.append(self._head())
        self._headers = []
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        self.events.append(body)

    def on_message_complete(self) -> None:
        if not self._in_body:
            return  # llhttp ends a message that it stops behind for another protocol
        if self._parser.should_upgrade():
            return
        self.events.append(END)
        self._begin()

    def _check_size(self) -> None:
        """Raises HeadError. A head within one slice is small, as all but a few are."""
        if len(self._target) > MAX_HEAD_BYTES:
            raise HeadError("the request's target is too long", status=414)
        if len(self._headers) > MAX_HEADERS:
            raise HeadError("the request has too many headers", status=431)
        sized = sum(len(name) + len(value) + 4 for name, value in self._headers)
        if max(len(self._target) + sized, self._head_bytes - _SLICE) > MAX_HEAD_BYTES:
            raise HeadError("the request's headers are too large", status=431)

    def _head(self) -> Head:
        """Raises HeadError for what llhttp lets pass."""
        parser = self._parser
        version = parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise HeadError(f"HTTP/{version} is not spoken here", status=505)
        hosts = length = chunked = 0
        expects = False
        headers = [
            (
                _NAMES.get(name) or name.decode("ascii").lower(),
                (value.decode() if value.isascii() else _decoded(value)).rstrip(" \t"),
            )
            for name, value in self._headers
        ]
        for name, value in headers:
            if name not in _TELLING:
                continue
            match name:
                case "host":
                    hosts += 1
                    if _NO_HOST.search(value):
                        raise HeadError("the Host header names no host")
                case "content-length":
                    length = int(value)
                case "transfer-encoding":
                    if value.lower() != "chunked" or version == "1.0":
                        raise HeadError(f"the transfer-encoding {value!r} is not taken", status=501)
                    chunked = 1
                case "expect":
                    if value.lower() != "100-continue":
                        raise HeadError(f"the expectation {value!r} is not met here", status=417)
                    expects = True
                case _:
                    pass
        if hosts > 1 or (hosts == 0 and version == "1.1"):
            raise HeadError("a request has exactly one Host header")
        self._length = None if chunked else length
        return Head(
            method=parser.get_method().decode("ascii"),
            target=_path_of(self._target),
            version=version,
            headers=headers,
            first=dict(reversed(headers)),
            keep_alive=parser.should_keep_alive(),
            length=self._length,
            has_body=self._length != 0,
            expects_continue=expects,
        )


def _decoded(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _path_of(target: bytes) -> bytes:
    """The path and query of a target, which may be an absolute URL (RFC 9112, 3.2)."""
    if target.startswith(b"/") or target == b"*":
        return target
    _, colons, rest = target.partition(b"://")
    host, slash, path = rest.partition(b"/")
    if not colons or not host or b"?" in host or b"[" in host or b"@" in host:
        raise HeadError("the request's target is not a path")
    return slash + path if slash else b"/"
