"""/api/rate-limits: what each connection allows, learned and configured."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from omniroute.http.api.operation import operation
from omniroute.http.edge.routes import Surface
from omniroute.management import rate_limits
from omniroute.management.rate_limits import RateLimits
from omniroute.worker.runtime import Runtime


class WhichLimits(Struct, frozen=True):
    """`connection` is a name at `provider`, or alone `provider/name`."""

    provider: str | UnsetType = UNSET
    connection: str | UnsetType = UNSET


async def _rate_limits(runtime: Runtime, *, query: WhichLimits) -> RateLimits:
    return rate_limits.rate_limits(
        runtime, provider=query.provider or None, connection=query.connection or None
    )


ROUTES = (
    operation(
        "GET",
        "/api/rate-limits",
        _rate_limits,
        name="rate_limits",
        surface=Surface.VIEWER,
        summary="Learned and configured limits of each connection",
        refuses=(404,),
    ),
    operation(
        "GET",
        "/api/rate-limit",
        _rate_limits,
        name="rate_limit",
        surface=Surface.VIEWER,
        summary="The same as /api/rate-limits",
        refuses=(404,),
    ),
)
