"""/api/init, /api/restart, /api/shutdown: the server's own beginning and end."""

from __future__ import annotations

from omniroute.http.api.operation import operation
from omniroute.http.edge.routes import Surface
from omniroute.management import lifetime
from omniroute.management.lifetime import Ending, InitState
from omniroute.worker.runtime import Runtime


async def _init(runtime: Runtime) -> InitState:
    return lifetime.init_state(runtime)


async def _restart(runtime: Runtime) -> Ending:
    return lifetime.restart(runtime)


async def _shut_down(runtime: Runtime) -> Ending:
    return lifetime.shut_down(runtime)


ROUTES = (
    operation(
        "GET", "/api/init", _init,
        name="init", surface=Surface.PUBLIC, summary="Whether everything is set up",
    ),
    operation(
        "POST", "/api/restart", _restart,
        name="restart", surface=Surface.ADMIN, summary="Stop gracefully and start anew",
    ),
    operation(
        "POST", "/api/shutdown", _shut_down,
        name="shutdown", surface=Surface.ADMIN, summary="Stop gracefully",
    ),
)  # fmt: skip
