"""/api/config: the active configuration, and reading its files again."""

from __future__ import annotations

from sanic import HTTPResponse

from omniroute.http.edge.asked import Asked
from omniroute.http.edge.respond import as_json
from omniroute.http.edge.routes import Route, Surface
from omniroute.management import configuration
from omniroute.worker.runtime import Runtime


async def _config(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return as_json(configuration.config(runtime))


async def _reload(runtime: Runtime, asked: Asked) -> HTTPResponse:
    status = await runtime.reloader.reload("api")
    return as_json(configuration.reload_status(status, runtime), 200 if status.ok else 422)


ROUTES = (
    Route(
        method="GET",
        path="/api/config",
        name="config",
        surface=Surface.VIEWER,
        handle=_config,
        summary="The active configuration, secrets masked",
    ),
    Route(
        method="POST",
        path="/api/config/reload",
        name="config_reload",
        surface=Surface.ADMIN,
        handle=_reload,
        summary="Read the files again",
    ),
)
