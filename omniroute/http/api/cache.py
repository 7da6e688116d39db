"""/api/cache: kept answers, their figures, and forgetting them."""

from __future__ import annotations

from sanic import HTTPResponse

from omniroute.http.edge.asked import Asked
from omniroute.http.edge.respond import as_json
from omniroute.http.edge.routes import Route, Surface
from omniroute.management import caches
from omniroute.worker.runtime import Runtime


async def _cache(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return as_json(await caches.overview(runtime))


async def _cache_stats(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return as_json(await caches.stats(runtime))


async def _clear_cache(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return as_json({"ok": True, "cleared": await caches.clear(runtime), "scope": "all"})


ROUTES = (
    Route(
        method="GET",
        path="/api/cache",
        name="cache",
        surface=Surface.VIEWER,
        handle=_cache,
        summary="The answer cache and remembered repeats",
    ),
    Route(
        method="DELETE",
        path="/api/cache",
        name="cache_clear",
        surface=Surface.ADMIN,
        handle=_clear_cache,
        summary="Forget every kept answer",
    ),
    Route(
        method="GET",
        path="/api/cache/stats",
        name="cache_stats",
        surface=Surface.VIEWER,
        handle=_cache_stats,
        summary="Figures of the answer cache",
    ),
    Route(
        method="DELETE",
        path="/api/cache/stats",
        name="cache_stats_clear",
        surface=Surface.ADMIN,
        handle=_clear_cache,
        summary="Forget every kept answer",
    ),
)
