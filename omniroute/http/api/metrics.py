"""/metrics, for Prometheus."""

from __future__ import annotations

from omniroute.http.api.operation import operation
from omniroute.http.edge.routes import Surface
from omniroute.management import metrics
from omniroute.worker.runtime import Runtime


async def _metrics(runtime: Runtime) -> str:
    return (await metrics.render(runtime)).decode()


ROUTES = (
    operation(
        "GET",
        "/metrics",
        _metrics,
        name="metrics",
        surface=Surface.VIEWER,
        summary="Metrics for Prometheus",
        content_type=metrics.CONTENT_TYPE,
    ),
)
