"""/api/resilience: the settings that breakers and retries follow, and closing breakers."""

from __future__ import annotations

from sanic import HTTPResponse

from omniroute.http.api.fields import optional_text
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.respond import as_json
from omniroute.http.edge.routes import Route, Surface
from omniroute.management import connections, resilience
from omniroute.management.writeback import change_section
from omniroute.request.body import parse_body
from omniroute.worker.runtime import Runtime


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
        provider=optional_text(scope, "provider"),
        connection=optional_text(scope, "connection"),
    )
    message = f"Reset {count} circuit breaker(s)"
    return as_json({"ok": True, "resetCount": count, "message": message})


ROUTES = (
    Route(
        method="GET",
        path="/api/resilience",
        name="resilience",
        surface=Surface.VIEWER,
        handle=_settings,
        summary="Resilience settings and breakers",
    ),
    Route(
        method="PUT",
        path="/api/resilience",
        name="resilience_replace",
        surface=Surface.ADMIN,
        handle=_replace,
        summary="Replace the resilience settings",
    ),
    Route(
        method="PATCH",
        path="/api/resilience",
        name="resilience_merge",
        surface=Surface.ADMIN,
        handle=_merge,
        summary="Change some resilience settings",
    ),
    Route(
        method="POST",
        path="/api/resilience/reset",
        name="resilience_reset",
        surface=Surface.ADMIN,
        handle=_reset,
        summary="Close breakers and end rests",
    ),
)
