"""A request as the handlers see it, whether Sanic has routed it or it came straight to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from sanic.request import Request

from omniroute.admission.values import Caller
from omniroute.config.model import Server
from omniroute.errors import Kind
from omniroute.http.edge.insides import EdgeHttp, HttpAnswer, take_over
from omniroute.http.edge.receive import BodyRoom
from omniroute.http.edge.respond import StreamSink
from omniroute.http.edge.websocket import WebSocket, answer_of
from omniroute.ledger.record import RequestRecord
from omniroute.request.upload import Upload
from omniroute.worker.requestlog import LogEntry

_NO_HEADERS: Final[Mapping[str, str]] = {}


class Asked:
    """`request_id` is what the answer repeats."""

    __slots__ = (
        "_entry",
        "_query",
        "_room",
        "_routed",
        "body",
        "caller",
        "headers",
        "http",
        "method",
        "path",
        "request_id",
        "upload",
    )

    def __init__(
        self,
        http: EdgeHttp,
        path: str,
        request_id: str,
        *,
        entry: LogEntry | None,
        room: BodyRoom,
        query: str = "",
        routed: Request | None = None,
    ) -> None:
        """`entry` is the request's line of the log; `routed` is Sanic's own, where it has."""
        head = http.head
        self.http = http
        self.request_id = request_id
        self.method = "" if head is None else head.method
        """Empty for what could not be read as a request."""
        self.path = path
        """What was routed: decisions, the ledger and the router all use this one."""
        self.headers: Mapping[str, str] = _NO_HEADERS if head is None else head.first
        """By lower-case name; a repeated header shows its first value."""
        self.body = b""
        """Once it was read."""
        self.upload: Upload | None = None
        """The file of a body in parts."""
        self.caller: Caller | None = None
        """Who may manage, where that was asked for."""
        self._query = query
        self._entry = entry
        self._room = room
        self._routed: Any = routed

    @property
    def recorded(self) -> Callable[[RequestRecord], None] | None:
        """Who wants to hear of the request's record: its line of the log, where there is one."""
        return None if self._entry is None else self._entry.recorded

    def answered(self, status: int, error_class: Kind | None = None) -> None:
        """Tell the log what the client gets, unless its record has told that."""
        if self._entry is not None:
            self._entry.answered(status, error_class)

    @property
    def must_wait(self) -> bool:
        """Whether some of the body is still to come."""
        return not self.http.is_here()

    @property
    def peer(self) -> str:
        """The address of the TCP peer, never what a header claims; empty when it is gone."""
        return self.http.peer

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        head = self.http.head
        if head is None or name not in head.first:
            return []
        if len(head.first) == len(head.headers):
            return [head.first[name]]
        return [value for one, value in head.headers if one == name]

    def query(self, name: str) -> str | None:
        """The first value of a query parameter."""
        if not self._query:
            return None
        values = parse_qs(self._query).get(name)
        return values[0] if values else None

    async def open_socket(self, bounds: Server) -> WebSocket:
        """Leave HTTP. Raises RequestError (400) for a handshake that is none."""
        head = self.http.head
        headers = [] if head is None else head.headers
        response, protocol = answer_of(self.path, headers, bounds.max_body_bytes)
        wire = take_over(self.http)
        await wire.write(response)
        return WebSocket(wire, protocol, self._room, bounds)

    async def open_stream(
        self, status: int, headers: Mapping[str, str], content_type: str
    ) -> StreamSink:
        """A streamed answer, whose head goes out with its first bytes."""
        http, routed = self.http, self._routed
        if routed is None:
            return StreamSink(http.transport, http.in_chunks(status, headers, content_type))
        response = HttpAnswer(status=status, headers=dict(headers), content_type=content_type)
        return StreamSink(http.transport, await routed.respond(response) or response)
