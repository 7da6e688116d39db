"""A table of routes as Sanic's router, made anew when another table is to be served.

Sanic takes routes apart from each other, so a router is built beside the one that serves and put in
its place between two requests; what is running goes on as it was routed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sanic import Sanic
from sanic.router import Router

from omniroute.http.edge.routes import Handle, Route


def serve_routes(
    app: Sanic[Any, Any], routes: Iterable[Route], handler: Callable[[Route], Handle]
) -> None:
    """Let `app` serve `routes` and no others, before its start or while it serves."""
    router = Router()
    router.ctx.app = app
    for route in routes:
        methods = ["GET", "HEAD"] if route.method == "GET" else [route.method]
        router.add(route.path, methods, handler(route), name=f"{app.name}.{route.name}")
    started = app.router.finalized
    app.router = router
    if started:
        app.finalize()
