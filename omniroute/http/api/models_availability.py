"""/api/models/availability: which models answer now."""

from __future__ import annotations

from omniroute.http.api.operation import operation
from omniroute.http.edge.routes import Surface
from omniroute.management import availability
from omniroute.management.availability import Availability, ModelAvailability, WhichModel
from omniroute.worker.runtime import Runtime


async def _all(runtime: Runtime) -> Availability:
    return availability.all_models(runtime)


async def _one(runtime: Runtime, *, body: WhichModel) -> ModelAvailability:
    return availability.one_model(runtime, body.model)


ROUTES = (
    operation(
        "GET",
        "/api/models/availability",
        _all,
        name="availability",
        surface=Surface.VIEWER,
        summary="Which models answer now",
    ),
    operation(
        "POST",
        "/api/models/availability",
        _one,
        name="availability_of",
        surface=Surface.VIEWER,
        summary="Whether one model answers now",
        refuses=(404,),
    ),
)
