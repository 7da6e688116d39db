"""/api/config: the active configuration, and reading its files again."""

from __future__ import annotations

from omniroute.http.api.operation import ApiReply, operation
from omniroute.http.edge.routes import Surface
from omniroute.management import configuration
from omniroute.management.configuration import ActiveConfig, ReloadReport
from omniroute.worker.runtime import Runtime


async def _config(runtime: Runtime) -> ActiveConfig:
    return configuration.config(runtime)


async def _reload(runtime: Runtime) -> ApiReply[ReloadReport]:
    await runtime.reloader.reload("api")
    report = configuration.reload_report(runtime)
    return ApiReply(value=report, status=200 if report.ok else 422)


ROUTES = (
    operation(
        "GET",
        "/api/config",
        _config,
        name="config",
        surface=Surface.VIEWER,
        summary="The active configuration, secrets masked",
    ),
    operation(
        "POST",
        "/api/config/reload",
        _reload,
        name="config_reload",
        surface=Surface.ADMIN,
        summary="Read the files again",
        statuses=(200, 422),
    ),
)
