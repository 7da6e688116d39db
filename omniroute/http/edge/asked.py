"""A request as the handlers see it: a typed view of Sanic's own, whose parts have no types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sanic.request import Request

from omniroute.admission.values import Caller
from omniroute.config.model import Server
from omniroute.errors import Kind
from omniroute.http.edge.insides import HttpAnswer, all_values, headers_of, take_over, was_read
from omniroute.http.edge.receive import BodyRoom
from omniroute.http.edge.respond import StreamSink
from omniroute.http.edge.websocket import WebSocket, answer_of
from omniroute.ledger.record import RequestRecord
from omniroute.worker.requestlog import LogEntry


def entry_of(request: Request, request_id: str) -> LogEntry:
    """A request's line, without method and path where there was none to be read."""
    path: Any = request.path
    method, path = (request.method, path) if was_read(request) else (None, None)
    return LogEntry(method, path, request_id)


class Asked:
    """`request_id` is what the answer repeats, `entry` the request's line of the log."""

    __slots__ = ("_entry", "_request", "_room", "caller", "headers", "method", "path", "request_id")

    def __init__(
        self, request: Request, request_id: str, entry: LogEntry | None, room: BodyRoom
    ) -> None:
        self._request: Any = request
        self.request_id = request_id
        self.method: str = request.method
        self.path: str = self._request.path
        """What was routed: decisions, the ledger and the router all use this one."""
        self.headers = headers_of(request)
        self.caller: Caller | None = None
        """Who may manage, where that was asked for."""
        self._entry = entry
        self._room = room

    @property
    def recorded(self) -> Callable[[RequestRecord], None] | None:
        """Who wants to hear of the request's record: its line of the log, where there is one."""
        return None if self._entry is None else self._entry.recorded

    def answered(self, status: int, error_class: Kind | None = None) -> None:
        """Tell the log what the client gets, unless its record has told that."""
        if self._entry is not None:
            self._entry.answered(status, error_class)

    @property
    def body(self) -> bytes:
        return self._request.body or b""

    @property
    def must_wait(self) -> bool:
        """Whether some of the body is still to come."""
        stream = self._request.stream
        return stream is not None and not stream.is_here()

    @property
    def peer(self) -> str:
        """The address of the TCP peer, never what a header claims; empty when it is gone."""
        info = self._request.conn_info
        return "" if info is None else info.client_ip

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        return all_values(self._request, name)

    def query(self, name: str) -> str | None:
        """The first value of a query parameter."""
        if not self._request.query_string:
            return None
        return self._request.args.get(name)

    async def open_socket(self, bounds: Server) -> WebSocket:
        """Leave HTTP. Raises RequestError (400) for a handshake that is none."""
        response, protocol = answer_of(self.path, self._request.headers, bounds.max_body_bytes)
        wire = take_over(self._request.stream)
        await wire.write(response)
        return WebSocket(wire, protocol, self._room, bounds)

    async def open_stream(
        self, status: int, headers: Mapping[str, str], content_type: str
    ) -> StreamSink:
        """Send the head of a streamed answer."""
        response = HttpAnswer(status=status, headers=dict(headers), content_type=content_type)
        opened = await self._request.respond(response)
        return StreamSink(self._request.transport, opened or response)
