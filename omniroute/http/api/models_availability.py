"""/api/models/availability: which models answer now."""

from __future__ import annotations

from sanic import HTTPResponse

from omniroute.errors import RequestError
from omniroute.http.api.fields import optional_text
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.respond import as_json
from omniroute.http.edge.routes import Route, Surface
from omniroute.management import availability
from omniroute.request.body import parse_body
from omniroute.worker.runtime import Runtime


async def _availability(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return as_json(availability.all_models(runtime))


async def _availability_of(runtime: Runtime, asked: Asked) -> HTTPResponse:
    name = optional_text(parse_body(asked.body), "model")
    if name is None:
        raise RequestError("invalid_request", "name a model", param="model")
    return as_json(availability.one_model(runtime, name))


ROUTES = (
    Route(
        method="GET",
        path="/api/models/availability",
        name="availability",
        surface=Surface.VIEWER,
        handle=_availability,
        summary="Which models answer now",
    ),
    Route(
        method="POST",
        path="/api/models/availability",
        name="availability_of",
        surface=Surface.VIEWER,
        handle=_availability_of,
        summary="Whether one model answers now",
    ),
)
