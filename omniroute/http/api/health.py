"""Whether it lives, takes requests, and how its providers are."""

from __future__ import annotations

from sanic import HTTPResponse

from omniroute.http.edge.asked import Asked
from omniroute.http.edge.respond import as_json, whole
from omniroute.http.edge.routes import Route, Surface
from omniroute.management import health
from omniroute.worker.runtime import Runtime


async def _healthz(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return whole(200, {}, b'{"status":"ok"}')


async def _readyz(runtime: Runtime, asked: Asked) -> HTTPResponse:
    if runtime.draining:
        return whole(503, {"Retry-After": "1"}, b'{"status":"draining"}')
    return whole(200, {}, b'{"status":"ready"}')


async def _health(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return as_json(health.health(runtime))


ROUTES = (
    Route(
        method="GET",
        path="/healthz",
        name="healthz",
        surface=Surface.PUBLIC,
        handle=_healthz,
        summary="Whether the process lives",
    ),
    Route(
        method="GET",
        path="/readyz",
        name="readyz",
        surface=Surface.PUBLIC,
        handle=_readyz,
        summary="Whether it takes requests",
    ),
    Route(
        method="GET",
        path="/api/monitoring/health",
        name="monitoring_health",
        surface=Surface.VIEWER,
        handle=_health,
        summary="Health of the gateway and of providers",
    ),
)
