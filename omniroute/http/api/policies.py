"""/api/policies: the rules, in the order in which they decide."""

from __future__ import annotations

from omniroute.http.api.operation import operation
from omniroute.http.edge.routes import Surface
from omniroute.management import policies
from omniroute.management.policies import Policies
from omniroute.worker.runtime import Runtime


async def _policies(runtime: Runtime) -> Policies:
    return policies.policies(runtime)


ROUTES = (
    operation(
        "GET",
        "/api/policies",
        _policies,
        name="policies",
        surface=Surface.VIEWER,
        summary="Policies in the order in which they decide",
    ),
)
