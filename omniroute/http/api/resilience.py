"""/api/resilience: the settings that breakers and retries follow, and closing breakers."""

from __future__ import annotations

from omniroute.http.api.operation import ApiReply, operation
from omniroute.http.edge.routes import Surface
from omniroute.management import connections, resilience
from omniroute.management.connections import ResetDone, ResetScope
from omniroute.management.resilience import (
    ResilienceChange,
    ResilienceChanged,
    ResilienceOverview,
)
from omniroute.management.writeback import REFUSES, Author, change_section
from omniroute.worker.runtime import Runtime


async def _settings(runtime: Runtime) -> ApiReply[ResilienceOverview]:
    return ApiReply(value=resilience.settings(runtime), digest=runtime.snapshot.digest)


async def _replace(
    runtime: Runtime, *, body: ResilienceChange, author: Author
) -> ApiReply[ResilienceChanged]:
    return await _change(runtime, body, author, whole=True)


async def _merge(
    runtime: Runtime, *, body: ResilienceChange, author: Author
) -> ApiReply[ResilienceChanged]:
    return await _change(runtime, body, author, whole=False)


async def _change(
    runtime: Runtime, body: ResilienceChange, author: Author, *, whole: bool
) -> ApiReply[ResilienceChanged]:
    values = resilience.change_of(body, whole=whole)
    await change_section(runtime, resilience.SECTION, values, author=author)
    return ApiReply(value=resilience.changed(runtime), digest=runtime.snapshot.digest)


async def _reset(runtime: Runtime, *, body: ResetScope | None) -> ResetDone:
    scope = body or ResetScope()
    return connections.reset(runtime, provider=scope.provider, connection=scope.connection)


ROUTES = (
    operation(
        "GET",
        "/api/resilience",
        _settings,
        name="resilience",
        surface=Surface.VIEWER,
        summary="Resilience settings and breakers",
        etag=True,
    ),
    operation(
        "PUT",
        "/api/resilience",
        _replace,
        name="resilience_replace",
        surface=Surface.ADMIN,
        summary="Replace the resilience settings",
        refuses=REFUSES,
        etag=True,
    ),
    operation(
        "PATCH",
        "/api/resilience",
        _merge,
        name="resilience_merge",
        surface=Surface.ADMIN,
        summary="Change some resilience settings",
        refuses=REFUSES,
        etag=True,
    ),
    operation(
        "POST",
        "/api/resilience/reset",
        _reset,
        name="resilience_reset",
        surface=Surface.ADMIN,
        summary="Close breakers and end rests",
        refuses=(404,),
    ),
)
