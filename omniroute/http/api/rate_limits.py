"""/api/rate-limits: what each connection allows, learned and configured."""

from __future__ import annotations

from sanic import HTTPResponse

from omniroute.http.edge.asked import Asked
from omniroute.http.edge.respond import as_json
from omniroute.http.edge.routes import Route, Surface
from omniroute.management import connections
from omniroute.worker.runtime import Runtime


async def _rate_limits(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return as_json(
        connections.rate_limits(
            runtime, provider=asked.query("provider"), connection=asked.query("connection")
        )
    )


ROUTES = (
    Route(
        method="GET",
        path="/api/rate-limits",
        name="rate_limits",
        surface=Surface.VIEWER,
        handle=_rate_limits,
        summary="Learned and configured limits of each connection",
    ),
    Route(
        method="GET",
        path="/api/rate-limit",
        name="rate_limit",
        surface=Surface.VIEWER,
        handle=_rate_limits,
        summary="The same as /api/rate-limits",
    ),
)
