"""What every request passes between the wire and its handler: id, credential, body; errors told.

Sanic's router brings most of the routes here. What is asked most, requests to models at paths of
their own, comes straight from the parser and passes the same steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from sanic import HTTPResponse, Sanic
from sanic.exceptions import MethodNotAllowed
from sanic.request import Request

from omniroute.base.log import request_id
from omniroute.errors import STATUS, RequestError
from omniroute.http.edge import cors
from omniroute.http.edge.accepted import check_body, check_head, check_path
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.astray import astray, is_doubled, redirected, unserved
from omniroute.http.edge.auth import client_ip_of, presented_key, request_id_of, require_role
from omniroute.http.edge.coded import decode_body
from omniroute.http.edge.endpoints import MANAGEMENT, envelope_of
from omniroute.http.edge.errors import from_exception, not_allowed, render
from omniroute.http.edge.insides import Direct, EdgeHttp, connection_of
from omniroute.http.edge.parser import Head
from omniroute.http.edge.parts import UploadRoom
from omniroute.http.edge.receive import BodyRoom, bound_of
from omniroute.http.edge.respond import plain, rendered
from omniroute.http.edge.routes import Answer, Route, RoutedHandle, Surface
from omniroute.http.edge.routing import methods_at
from omniroute.request.inbound import Inbound, Whole
from omniroute.translation.values import Formats
from omniroute.worker.requestlog import LogEntry
from omniroute.worker.runtime import Runtime


def is_direct(route: Route) -> bool:
    """Whether requests come to it from the parser, without Sanic's router between."""
    return route.surface is Surface.INFERENCE and route.method == "POST" and "<" not in route.path


class Boundary:
    """One worker's."""

    def __init__(self, app: Sanic[Any, Any], runtime: Runtime) -> None:
        self._app = app
        self._runtime = runtime
        self._room = BodyRoom()
        self._uploads = UploadRoom(runtime.data_dir)

    def routed(self, route: Route) -> RoutedHandle:
        """The route's handler as Sanic calls it."""

        async def serve(request: Request, **places: str) -> HTTPResponse | None:
            answer = await self._serve(route, self._asked(request), places)
            return rendered(answer) if isinstance(answer, Whole) else answer

        # Sanic leaves the body to such a handler: it is read here once it is known who sends it.
        setattr(serve, "is_stream", True)  # noqa: B010 - functions have no such attribute to a checker
        if route.upgrades:
            setattr(serve, "is_websocket", True)  # noqa: B010 - or it would miss an answer
        return serve

    def direct(self, route: Route) -> Direct:
        """The same for what comes straight from the parser."""
        path = route.path

        async def serve(http: EdgeHttp, _: Head) -> None:
            number, entry = self._known(http, path)
            asked = Asked(http, path, number, entry=entry, room=self._room)
            try:
                answer = await self._serve(route, asked, {})
            except asyncio.CancelledError:
                asked.answered(STATUS["client_closed"], "client_closed")
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, its client is told
                answer = self._told(asked, error)
                if not http.is_open():
                    return  # in the middle of a stream, which ends here
            if answer is not None:
                whole = answer if isinstance(answer, Whole) else plain(answer)
                await http.answer(whole.status, whole.headers, whole.content_type, whole.body)

        return serve

    async def failed(self, request: Request, error: Exception) -> HTTPResponse:
        """What is answered where Sanic, or a handler that it called, has failed."""
        return self._told(self._asked(request), error)

    def _asked(self, request: Request) -> Asked:
        """A request of Sanic's, of one number and one line for handler and failure."""
        http = connection_of(request)
        path: str = request.path
        known: tuple[str, LogEntry | None] | None = getattr(request.ctx, "known", None)
        if known is None:
            known = self._known(http, path)
            request.ctx.known = known  # not what refers to it: a cycle would hold its body for long
        number, entry = known
        query: str = request.query_string
        return Asked(http, path, number, entry=entry, room=self._room, query=query, routed=request)

    def _known(self, http: EdgeHttp, path: str) -> tuple[str, LogEntry | None]:
        """A request's number and its line of the log, with nothing in it that could not be read."""
        head = http.head
        number = request_id_of(head)
        request_id.set(number)
        if not self._runtime.logs_requests:
            return number, None
        if head is None:
            return number, LogEntry(None, None, number)
        return number, LogEntry(head.method, path, number)

    async def _serve(self, route: Route, asked: Asked, places: Mapping[str, str]) -> Answer | None:
        """A role is asked for here; a key for a model by the request's own steps, but a body that
        would have to be waited for is not read for a caller who will be refused."""
        runtime, surface = self._runtime, route.surface
        check_path(asked.path)
        is_form, coding = (False, None) if route.in_parts else check_head(asked)
        if surface is Surface.VIEWER or surface is Surface.ADMIN:
            asked.caller = await require_role(runtime, asked, surface.value)
        elif surface is Surface.INFERENCE and (route.in_parts or asked.must_wait):
            _refuse_stranger(runtime, asked)
        room = self._room
        server = runtime.snapshot.config.server
        bound = bound_of(server, is_managed=route.contract is not None)
        if route.in_parts:
            body = await self._uploads.receive(asked, server)
        else:
            body = await room.receive(asked.http, bound)
        try:
            if coding is not None:
                body = await decode_body(body, coding, room, bound)
            asked.body = body
            if is_form:
                check_body(asked)
            answer = await route.handle(runtime, asked, **places)
        finally:
            if asked.upload is None:
                room.leave(len(body))
            else:
                self._uploads.leave(asked.upload)
        if answer is not None:
            answer.headers["X-Request-Id"] = asked.request_id
            if "origin" in asked.headers:
                origins = runtime.snapshot.config.server.cors.origins
                _add(answer, cors.allow(origins, asked.headers))
            asked.answered(answer.status)
        return answer

    def _told(self, asked: Asked, error: Exception) -> HTTPResponse:
        """What the client of a failed request reads."""
        runtime = self._runtime
        origins = runtime.snapshot.config.server.cors.origins
        headers = asked.headers
        preflight = cors.preflight(origins, asked.method, headers)
        if preflight is not None:
            asked.answered(preflight.status)
            return preflight
        formats = runtime.snapshot.formats
        try:
            check_path(asked.path)
            if isinstance(error, MethodNotAllowed):
                error = not_allowed(methods_at(self._app, asked.path))
        except RequestError as dotted:
            error = dotted
        told, envelope = from_exception(error), envelope_of(formats, asked.path, headers)
        if _is_astray(told, formats, asked):
            lost = astray(formats, asked.method, asked.path, headers)
            if lost is not None:
                told, envelope = redirected(told, lost, asked.path, headers), lost.format
            elif told.code == "unknown_path" and envelope != MANAGEMENT:
                told = unserved(told, asked.method, asked.path)
        answer = render(told, envelope, formats, asked.request_id)
        _add(answer, cors.allow(origins, headers))
        asked.answered(answer.status, told.kind)
        error.__traceback__ = None  # its frames hold the request, and some of them this error
        return answer


def _is_astray(told: RequestError, formats: Formats, asked: Asked) -> bool:
    """Whether a wrong base URL may be why a request is refused."""
    if told.code == "model_not_found":
        return is_doubled(formats, asked.method, asked.path)
    return told.code == "unknown_path" or told.kind == "method_not_allowed"


def _add(answer: Answer, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        answer.headers[name] = value


def _refuse_stranger(runtime: Runtime, asked: Asked) -> None:
    """Raises RequestError when the caller would be refused whatever the body says; recorded."""
    snapshot = runtime.snapshot
    inbound = Inbound(
        request_id=asked.request_id,
        path=asked.path,
        format=envelope_of(snapshot.formats, asked.path, asked.headers),
        headers=asked.headers,
        key=presented_key(asked, snapshot),
        client_ip=client_ip_of(asked, snapshot),
        recorded=asked.recorded,
    )
    runtime.pipeline.refuse_stranger(inbound)
