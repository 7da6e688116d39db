"""Builds the Sanic application from a runtime: routes, the request boundary, error answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sanic import HTTPResponse, Sanic
from sanic.exceptions import MethodNotAllowed
from sanic.request import Request

from omniroute.base.log import request_id
from omniroute.errors import RequestError
from omniroute.http.edge import cors
from omniroute.http.edge.accepted import check_body, check_head, check_path
from omniroute.http.edge.asked import Asked, entry_of
from omniroute.http.edge.astray import astray, is_doubled, redirected, unserved
from omniroute.http.edge.auth import client_ip_of, presented_key, request_id_of, require_role
from omniroute.http.edge.coded import decode_body
from omniroute.http.edge.endpoints import MANAGEMENT, envelope_of
from omniroute.http.edge.errors import from_exception, not_allowed, render
from omniroute.http.edge.insides import EdgeRequest
from omniroute.http.edge.receive import BodyRoom
from omniroute.http.edge.routes import Handle, Route, Surface
from omniroute.http.edge.routing import methods_at, serve_routes
from omniroute.request.inbound import Inbound
from omniroute.translation.values import Formats
from omniroute.worker.requestlog import LogEntry
from omniroute.worker.runtime import Runtime

RouteTable = Callable[[Formats], Iterable[Route]]
"""What is served while these formats are in force."""

NO_BOUND_S: Final = 10**9
"""Sanic's answer timeout is off: the pipeline bounds every wait itself, streams by silence."""


def build_app(runtime: Runtime, routes: RouteTable, *, touchup: bool = False) -> Sanic[Any, Any]:
    """An application that serves `runtime` under `routes`, which are asked again at each reload.

    `touchup` lets Sanic rewrite its own classes for speed, which works for one application in a
    process; tests build several.
    """
    app: Sanic[Any, Any] = Sanic(
        f"omniroute-{id(runtime):x}", configure_logging=False, request_class=EdgeRequest
    )
    app.config.TOUCHUP = touchup
    app.config.ACCESS_LOG = False
    app.config.FALLBACK_ERROR_FORMAT = "json"
    app.config.NOISY_EXCEPTIONS = False
    app.config.REQUEST_TIMEOUT = 60
    app.config.RESPONSE_TIMEOUT = NO_BOUND_S
    app.config.KEEP_ALIVE_TIMEOUT = 120
    room = BodyRoom()
    served: Formats | None = None

    def follow() -> None:
        """Serve what the snapshot's formats say, when they are others."""
        nonlocal served
        formats = runtime.snapshot.formats
        if formats is not served:
            serve_routes(app, routes(formats), lambda route: _boundary(runtime, route, room))
            served = formats

    follow()

    async def failed(request: Request, error: Exception) -> HTTPResponse:
        origins = runtime.snapshot.config.server.cors.origins
        asked = _asked(runtime, request, room)
        headers = asked.headers
        preflight = cors.preflight(origins, asked.method, headers)
        if preflight is not None:
            asked.answered(preflight.status)
            return preflight
        formats = runtime.snapshot.formats
        try:
            check_path(asked.path)
            if isinstance(error, MethodNotAllowed):
                error = not_allowed(methods_at(app, asked.path))
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

    handlers: Any = app.error_handler
    handlers.add(Exception, failed)
    runtime.on_activate(follow)
    return app


def _is_astray(told: RequestError, formats: Formats, asked: Asked) -> bool:
    """Whether a wrong base URL may be why a request is refused."""
    if told.code == "model_not_found":
        return is_doubled(formats, asked.method, asked.path)
    return told.code == "unknown_path" or told.kind == "method_not_allowed"


def _add(response: HTTPResponse, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        response.headers[name] = value


def _asked(runtime: Runtime, request: Request, room: BodyRoom) -> Asked:
    """The request as handlers see it, of one number and one line for handler and failure."""
    known: tuple[str, LogEntry | None] | None = getattr(request.ctx, "known", None)
    if known is None:
        number = request_id_of(request)
        request_id.set(number)
        known = number, entry_of(request, number) if runtime.logs_requests else None
        request.ctx.known = known  # not what refers to it: a cycle would hold its body for long
    return Asked(request, *known, room)


def _boundary(runtime: Runtime, route: Route, room: BodyRoom) -> Handle:
    """What every request passes: its id, its credential, and then its body.

    A role is asked for here; a key for a model by the request's own steps, but a body that would
    have to be waited for is not read for a caller who will be refused.
    """
    handle = route.handle
    role = route.surface.value if route.surface in (Surface.VIEWER, Surface.ADMIN) else None

    async def serve(request: Request, **parameters: str) -> HTTPResponse | None:
        asked = _asked(runtime, request, room)
        check_path(asked.path)
        is_form, coding = check_head(asked)
        if role is not None:
            asked.caller = await require_role(runtime, asked, role)
        elif asked.must_wait and route.surface is Surface.INFERENCE:
            _refuse_stranger(runtime, asked)
        bounds = runtime.snapshot.config.server
        taken = await room.receive(request, bounds, is_managed=route.contract is not None)
        try:
            if coding is not None:
                taken += await decode_body(request, coding, room, bounds)
            if is_form:
                check_body(asked)
            response = await handle(runtime, asked, **parameters)
        finally:
            room.leave(taken)
        if response is not None:
            response.headers["X-Request-Id"] = asked.request_id
            if "origin" in asked.headers:
                origins = runtime.snapshot.config.server.cors.origins
                _add(response, cors.allow(origins, asked.headers))
            asked.answered(response.status)
        return response

    # Sanic leaves the body to such a handler: it is read here once it is known who sends it.
    setattr(serve, "is_stream", True)  # noqa: B010 - functions have no such attribute to a checker
    if route.upgrades:
        setattr(serve, "is_websocket", True)  # noqa: B010 - or it would miss an answer
    return serve


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
