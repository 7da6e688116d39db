"""Resilience settings and what was learned: breakers, limits, sessions, availability."""

from __future__ import annotations

from sanic import HTTPResponse

from omniroute.errors import RequestError
from omniroute.gateway.body import parse_body
from omniroute.gateway.runtime import Runtime
from omniroute.http.asked import Asked
from omniroute.http.respond import as_json
from omniroute.http.routes import Handle, Route, Surface
from omniroute.management import availability, connections, resilience
from omniroute.management.sessions import sessions
from omniroute.management.writeback import change_section


async def _settings(runtime: Runtime, asked: Asked) -> HTTPResponse:
    answer = as_json(resilience.settings(runtime))
    answer.headers["ETag"] = f'"{runtime.snapshot.digest}"'
    return answer


async def _replace(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return await _change(runtime, asked, whole=True)


async def _merge(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return await _change(runtime, asked, whole=False)


async def _change(runtime: Runtime, asked: Asked, *, whole: bool) -> HTTPResponse:
    values = resilience.change_of(parse_body(asked.body), whole=whole)
    await change_section(
        runtime, (resilience.SECTION,), values, if_match=asked.headers.get("if-match")
    )
    answer = as_json({"ok": True, **resilience.settings(runtime)})
    answer.headers["ETag"] = f'"{runtime.snapshot.digest}"'
    return answer


async def _reset(runtime: Runtime, asked: Asked) -> HTTPResponse:
    scope = parse_body(asked.body) if asked.body else {}
    count = connections.reset(
        runtime,
        provider=_optional_text(scope, "provider"),
        connection=_optional_text(scope, "connection"),
    )
    message = f"Reset {count} circuit breaker(s)"
    return as_json({"ok": True, "resetCount": count, "message": message})


async def _rate_limits(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return as_json(
        connections.rate_limits(
            runtime, provider=asked.query("provider"), connection=asked.query("connection")
        )
    )


async def _sessions(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return as_json(sessions(runtime))


async def _availability(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return as_json(availability.all_models(runtime))


async def _availability_of(runtime: Runtime, asked: Asked) -> HTTPResponse:
    name = _optional_text(parse_body(asked.body), "model")
    if name is None:
        raise RequestError("invalid_request", "name a model", param="model")
    return as_json(availability.one_model(runtime, name))


def _optional_text(body: dict[str, object], name: str) -> str | None:
    value = body.get(name)
    if value is None or isinstance(value, str):
        return value
    raise RequestError("invalid_request", f"{name} must be text", param=name)


def _route(
    method: str, path: str, name: str, handle: Handle, *, surface: Surface, summary: str
) -> Route:
    return Route(
        method=method, path=path, name=name, surface=surface, handle=handle, summary=summary
    )


ROUTES = (
    _route(
        "GET",
        "/api/resilience",
        "resilience",
        _settings,
        surface=Surface.VIEWER,
        summary="Resilience settings and breakers",
    ),
    _route(
        "PUT",
        "/api/resilience",
        "resilience_replace",
        _replace,
        surface=Surface.ADMIN,
        summary="Replace the resilience settings",
    ),
    _route(
        "PATCH",
        "/api/resilience",
        "resilience_merge",
        _merge,
        surface=Surface.ADMIN,
        summary="Change some resilience settings",
    ),
    _route(
        "POST",
        "/api/resilience/reset",
        "resilience_reset",
        _reset,
        surface=Surface.ADMIN,
        summary="Close breakers and end rests",
    ),
    _route(
        "GET",
        "/api/rate-limits",
        "rate_limits",
        _rate_limits,
        surface=Surface.VIEWER,
        summary="Learned and configured limits of each connection",
    ),
    _route(
        "GET",
        "/api/rate-limit",
        "rate_limit",
        _rate_limits,
        surface=Surface.VIEWER,
        summary="The same as /api/rate-limits",
    ),
    _route(
        "GET",
        "/api/sessions",
        "sessions",
        _sessions,
        surface=Surface.VIEWER,
        summary="Sessions that were served lately",
    ),
    _route(
        "GET",
        "/api/models/availability",
        "availability",
        _availability,
        surface=Surface.VIEWER,
        summary="Which models answer now",
    ),
    _route(
        "POST",
        "/api/models/availability",
        "availability_of",
        _availability_of,
        surface=Surface.VIEWER,
        summary="Whether one model answers now",
    ),
)
