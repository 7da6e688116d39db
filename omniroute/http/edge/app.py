"""Builds the Sanic application from a runtime: its routes behind their boundary."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from sanic import Sanic

from omniroute.http.edge.boundary import Boundary, is_direct
from omniroute.http.edge.routes import Route
from omniroute.http.edge.routing import serve_routes
from omniroute.translation.values import Formats
from omniroute.worker.runtime import Runtime

RouteTable = Callable[[Formats], Iterable[Route]]
"""What is served while these formats are in force."""

NO_BOUND_S: Final = 10**9
"""Sanic's answer timeout is off: the pipeline bounds every wait itself, streams by silence."""


def build_app(runtime: Runtime, routes: RouteTable, *, touchup: bool = False) -> Sanic[Any, Any]:
    """An application that serves `runtime` under `routes`, which are asked again at each reload.

    `touchup` lets Sanic rewrite its own classes for speed, which works for one application in a
    process; tests build several.
    """
    app: Sanic[Any, Any] = Sanic(f"omniroute-{id(runtime):x}", configure_logging=False)
    app.config.TOUCHUP = touchup
    app.config.ACCESS_LOG = False
    app.config.FALLBACK_ERROR_FORMAT = "json"
    app.config.NOISY_EXCEPTIONS = False
    app.config.REQUEST_TIMEOUT = 60
    app.config.RESPONSE_TIMEOUT = NO_BOUND_S
    app.config.KEEP_ALIVE_TIMEOUT = 120
    boundary = Boundary(app, runtime)
    served: Formats | None = None

    def follow() -> None:
        """Serve what the snapshot's formats say, when they are others."""
        nonlocal served
        formats = runtime.snapshot.formats
        if formats is not served:
            table = list(routes(formats))
            serve_routes(app, table, boundary.routed)
            app.ctx.direct = {
                route.path.encode(): boundary.direct(route) for route in table if is_direct(route)
            }
            served = formats

    follow()
    handlers: Any = app.error_handler
    handlers.add(Exception, boundary.failed)
    runtime.on_activate(follow)
    return app
