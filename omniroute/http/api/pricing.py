"""/api/pricing: what models cost, and who says so."""

from __future__ import annotations

from omniroute.http.api.operation import operation
from omniroute.http.edge.routes import Surface
from omniroute.management import prices
from omniroute.management.prices import PriceReport
from omniroute.worker.runtime import Runtime


async def _prices(runtime: Runtime) -> dict[str, dict[str, PriceReport]]:
    return prices.prices(runtime)


ROUTES = (
    operation(
        "GET",
        "/api/pricing",
        _prices,
        name="pricing",
        surface=Surface.VIEWER,
        summary="Prices of the configuration's models",
    ),
)
