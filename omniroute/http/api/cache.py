"""/api/cache: kept answers, their figures, and forgetting them."""

from __future__ import annotations

from omniroute.http.api.operation import operation
from omniroute.http.edge.routes import Surface
from omniroute.management import caches
from omniroute.management.caches import CacheCleared, CacheOverview, CacheStats
from omniroute.worker.runtime import Runtime


async def _cache(runtime: Runtime) -> CacheOverview:
    return await caches.overview(runtime)


async def _stats(runtime: Runtime) -> CacheStats:
    return await caches.stats(runtime)


async def _clear(runtime: Runtime) -> CacheCleared:
    return await caches.clear(runtime)


ROUTES = (
    operation(
        "GET",
        "/api/cache",
        _cache,
        name="cache",
        surface=Surface.VIEWER,
        summary="The answer cache and remembered repeats",
    ),
    operation(
        "DELETE",
        "/api/cache",
        _clear,
        name="cache_clear",
        surface=Surface.ADMIN,
        summary="Forget every kept answer",
    ),
    operation(
        "GET",
        "/api/cache/stats",
        _stats,
        name="cache_stats",
        surface=Surface.VIEWER,
        summary="Figures of the answer cache",
    ),
    operation(
        "DELETE",
        "/api/cache/stats",
        _clear,
        name="cache_stats_clear",
        surface=Surface.ADMIN,
        summary="Forget every kept answer",
    ),
)
