"""/metrics, for Prometheus."""

from __future__ import annotations

from sanic import HTTPResponse

from omniroute.http.edge.asked import Asked
from omniroute.http.edge.respond import whole
from omniroute.http.edge.routes import Route, Surface
from omniroute.management import metrics
from omniroute.worker.runtime import Runtime


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
