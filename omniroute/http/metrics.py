"""/metrics, for Prometheus."""

from __future__ import annotations

from sanic import HTTPResponse

from omniroute.gateway.runtime import Runtime
from omniroute.http.asked import Asked
from omniroute.http.respond import whole
from omniroute.http.routes import Route, Surface
from omniroute.management import metrics


async def _metrics(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return whole(200, {}, await metrics.render(runtime), metrics.CONTENT_TYPE)


ROUTES = (
    Route(
        method="GET",
        path="/metrics",
        name="metrics",
        summary="Metrics for Prometheus",
        surface=Surface.VIEWER,
        handle=_metrics,
    ),
)
