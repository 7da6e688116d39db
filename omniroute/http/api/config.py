"""/api/config: the active configuration, checking another, and reading the files again."""

from __future__ import annotations

import asyncio

from omniroute.http.api.operation import ApiReply, operation
from omniroute.http.edge.routes import Surface
from omniroute.management import candidates, configuration
from omniroute.management.candidates import CandidateText, CheckReport
from omniroute.management.configuration import ActiveConfig, ReloadReport
from omniroute.worker.runtime import Runtime


async def _config(runtime: Runtime) -> ActiveConfig:
    return configuration.config(runtime)


async def _reload(runtime: Runtime) -> ApiReply[ReloadReport]:
    await runtime.reloader.reload("api")
    report = configuration.reload_report(runtime)
    return ApiReply(value=report, status=200 if report.ok else 422)


async def _check(runtime: Runtime) -> CheckReport:
    return await asyncio.to_thread(candidates.check_files, runtime)


async def _check_candidate(runtime: Runtime, *, body: CandidateText) -> CheckReport:
    return await asyncio.to_thread(candidates.check_candidate, runtime, body)


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
        "GET",
        "/api/config/check",
        _check,
        name="config_check",
        surface=Surface.VIEWER,
        summary="What the check finds in the files",
    ),
    operation(
        "POST",
        "/api/config/check",
        _check_candidate,
        name="config_check_candidate",
        surface=Surface.ADMIN,
        summary="What the check would find in a text",
        refuses=(404,),
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
