"""A table of routes as Sanic's router, made anew when another table is to be served.

Sanic takes routes apart from each other, so a router is built beside the one that serves and put in
its place between two requests; what is running goes on as it was routed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sanic import Sanic
from sanic.constants import HTTP_METHODS
from sanic.router import Router
from sanic_routing.exceptions import NoMethod, NotFound

from omniroute.http.edge.routes import Route, RoutedHandle


def serve_routes(
    app: Sanic[Any, Any], routes: Iterable[Route], handler: Callable[[Route], RoutedHandle]
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


def methods_at(app: Sanic[Any, Any], path: str) -> Iterator[str]:
    """The methods that a path takes. Sanic's own refusal does not always know them all."""
    for method in HTTP_METHODS:
        try:
            app.router.resolve(path=path, method=method)
        except (NoMethod, NotFound):
            continue
        yield str(method)
