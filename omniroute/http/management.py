"""Health, readiness and the active configuration."""

from __future__ import annotations

from sanic import HTTPResponse

from omniroute.gateway import report
from omniroute.gateway.runtime import Runtime
from omniroute.http.asked import Asked
from omniroute.http.respond import as_json, whole
from omniroute.http.routes import Route, Surface
from omniroute.management import health


async def _healthz(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return whole(200, {}, b'{"status":"ok"}')


async def _readyz(runtime: Runtime, asked: Asked) -> HTTPResponse:
    if runtime.draining:
        return whole(503, {"Retry-After": "1"}, b'{"status":"draining"}')
    return whole(200, {}, b'{"status":"ready"}')


async def _health(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return as_json(health.health(runtime))


async def _config(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return as_json(report.config(runtime))


async def _reload(runtime: Runtime, asked: Asked) -> HTTPResponse:
    status = await runtime.reloader.reload("api")
    return as_json(report.reload_status(status, runtime), 200 if status.ok else 422)


ROUTES = (
    Route(
        method="GET",
        path="/healthz",
        name="healthz",
        summary="Whether the process lives",
        surface=Surface.PUBLIC,
        handle=_healthz,
    ),
    Route(
        method="GET",
        path="/readyz",
        name="readyz",
        summary="Whether it takes requests",
        surface=Surface.PUBLIC,
        handle=_readyz,
    ),
    Route(
        method="GET",
        path="/api/monitoring/health",
        name="monitoring_health",
        summary="Health of the gateway and of providers",
        surface=Surface.VIEWER,
        handle=_health,
    ),
    Route(
        method="GET",
        path="/api/config",
        name="config",
        summary="The active configuration, secrets masked",
        surface=Surface.VIEWER,
        handle=_config,
    ),
    Route(
        method="POST",
        path="/api/config/reload",
        name="config_reload",
        summary="Read the files again",
        surface=Surface.ADMIN,
        handle=_reload,
    ),
)
