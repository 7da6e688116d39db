"""/api/usage/…: requests one by one and in sums, and /api/telemetry/summary, how long they took."""

from __future__ import annotations

from omniroute.http.api.operation import operation
from omniroute.http.edge.routes import Surface
from omniroute.management import usage
from omniroute.management.usage import (
    TelemetrySummary,
    UsageFilter,
    UsageHistory,
    UsageLog,
    UsagePage,
)
from omniroute.worker.runtime import Runtime


async def _log(runtime: Runtime, *, query: UsagePage) -> UsageLog:
    return await usage.log(runtime, query)


async def _history(runtime: Runtime, *, query: UsageFilter) -> UsageHistory:
    return await usage.history(runtime, query)


async def _of_connection(
    runtime: Runtime, *, provider: str, connection: str, query: UsageFilter
) -> UsageHistory:
    return await usage.history(runtime, query, connection=f"{provider}/{connection}")


async def _telemetry(runtime: Runtime, *, query: UsageFilter) -> TelemetrySummary:
    return await usage.telemetry(runtime, query)


_REFUSES = (400, 503, 504)
ROUTES = (
    operation(
        "GET",
        "/api/usage/history",
        _history,
        name="usage_history",
        surface=Surface.VIEWER,
        summary="Usage and cost in sums",
        refuses=_REFUSES,
    ),
    *(
        operation(
            "GET",
            f"/api/usage/{name}",
            _log,
            name=f"usage_{name.replace('-', '_')}",
            surface=Surface.VIEWER,
            summary="Requests one by one",
            refuses=_REFUSES,
        )
        for name in ("logs", "request-logs")
    ),
    operation(
        "GET",
        "/api/usage/<provider:str>/<connection:str>",
        _of_connection,
        name="usage_of_connection",
        surface=Surface.VIEWER,
        summary="Usage and cost of one connection",
        refuses=(404, *_REFUSES),
    ),
    operation(
        "GET",
        "/api/telemetry/summary",
        _telemetry,
        name="telemetry",
        surface=Surface.VIEWER,
        summary="How long answers take, by provider",
        refuses=_REFUSES,
    ),
)
