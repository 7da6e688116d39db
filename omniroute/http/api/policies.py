"""/api/policies: the rules, in the order in which they decide."""

from __future__ import annotations

from sanic import HTTPResponse

from omniroute.http.edge.asked import Asked
from omniroute.http.edge.respond import as_json
from omniroute.http.edge.routes import Route, Surface
from omniroute.management import governance
from omniroute.worker.runtime import Runtime


async def _policies(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return as_json(governance.policies(runtime))


ROUTES = (
    Route(
        method="GET",
        path="/api/policies",
        name="policies",
        surface=Surface.VIEWER,
        handle=_policies,
        summary="Policies in the order in which they decide",
    ),
)
