"""A request as the handlers see it: a typed view of Sanic's own, whose parts have no types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from sanic.request import Request

from omniroute.http.edge.respond import Answer, StreamSink


class Asked:
    """Made once per request at the boundary; `request_id` is what the answer repeats."""

    __slots__ = ("_request", "headers", "method", "path", "request_id")

    def __init__(self, request: Request, request_id: str) -> None:
        self._request: Any = request
        self.request_id = request_id
        self.method: str = request.method
        self.path: str = self._request.path
        """What was routed: decisions, the ledger and the router all use this one."""
        self.headers = headers_of(request)

    @property
    def body(self) -> bytes:
        return self._request.body or b""

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

    async def open_stream(
        self, status: int, headers: Mapping[str, str], content_type: str
    ) -> StreamSink:
        """Send the head of a streamed answer."""
        response = Answer(status=status, headers=dict(headers), content_type=content_type)
        opened = await self._request.respond(response)
        return StreamSink(self._request.transport, opened or response)


def headers_of(request: Request) -> Mapping[str, str]:
    """By lower-case name; a repeated header shows its first value."""
    return cast(Mapping[str, str], request.headers)


def all_values(request: Request, name: str) -> list[str]:
    headers: Any = request.headers
    return list(headers.getall(name, ()))
