"""Whether it lives, takes requests, and how its providers are."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from omniroute.http.api.operation import ApiReply, operation
from omniroute.http.edge.routes import Surface
from omniroute.management import health
from omniroute.management.health import HealthReport
from omniroute.worker.runtime import Runtime


class Liveness(Struct, frozen=True):
    status: Literal["ok"]


class Readiness(Struct, frozen=True):
    status: Literal["ready", "draining"]


async def _healthz(runtime: Runtime) -> Liveness:
    return Liveness(status="ok")


async def _readyz(runtime: Runtime) -> ApiReply[Readiness]:
    if runtime.draining:
        draining = Readiness(status="draining")
        return ApiReply(value=draining, status=503, headers={"Retry-After": "1"})
    return ApiReply(value=Readiness(status="ready"))


async def _health(runtime: Runtime) -> HealthReport:
    return health.health(runtime)


ROUTES = (
    operation(
        "GET",
        "/healthz",
        _healthz,
        name="healthz",
        surface=Surface.PUBLIC,
        summary="Whether the process lives",
    ),
    operation(
        "GET",
        "/readyz",
        _readyz,
        name="readyz",
        surface=Surface.PUBLIC,
        summary="Whether it takes requests",
        statuses=(200, 503),
    ),
    operation(
        "GET",
        "/api/monitoring/health",
        _health,
        name="monitoring_health",
        surface=Surface.VIEWER,
        summary="Health of the gateway and of providers",
    ),
)
