"""The answer cache and the memory of repeats."""

from __future__ import annotations

from typing import Any

from omniroute.admission.cache import cache_space, semantic_space
from omniroute.answers.cache import semantic_figures
from omniroute.worker.runtime import Runtime


async def overview(runtime: Runtime) -> dict[str, Any]:
    """In the shape that clients of the original read.

    They know one cache: `semanticCache` is the tier by meaning where that is enabled, and the exact
    one, whose `dbSize` counts what a shared store holds, otherwise.
    """
    config = runtime.snapshot.config
    settings, shared = config.cache.exact, runtime.store.name != "memory"
    stats = await runtime.store.stats(cache_space(settings))
    counted = {
        "hits": stats.hits,
        "misses": stats.misses,
        "evictions": stats.evictions,
        "hitRate": _share(stats.hits, stats.misses),
    }
    known: dict[str, Any] = {
        "tier": "exact",
        "memorySize": 0 if shared else stats.entries,
        "memoryMaxSize": settings.max_entries,
        "dbSize": stats.entries if shared else 0,
        **counted,
    }
    if config.cache.semantic.enabled:
        figures = await semantic_figures(config, runtime.store, runtime.semantic)
        known = {
            "tier": "semantic",
            "memorySize": figures.memory_size,
            "memoryMaxSize": figures.memory_max_size,
            "dbSize": figures.db_size,
            "hits": figures.hits,
            "misses": figures.misses,
            "evictions": figures.evictions,
            "hitRate": figures.hit_rate,
        }
    return {
        "semanticCache": known,
        "exactCache": {
            "enabled": settings.enabled,
            "scope": config.cache.scope,
            "store": runtime.store.name,
            "ttlMs": round(settings.ttl_s * 1000),
            "size": stats.entries,
            "maxSize": settings.max_entries,
            "bytes": stats.size_bytes,
            "maxBytes": settings.max_bytes,
            **counted,
        },
        "idempotency": {
            "activeKeys": await runtime.store.repeats(runtime.clock.now().timestamp()),
            "windowMs": round(config.idempotency_window_s * 1000),
        },
    }


async def stats(runtime: Runtime) -> dict[str, Any]:
    """The same with the exact cache's figures at the top as well."""
    whole = await overview(runtime)
    names = ("size", "maxSize", "bytes", "maxBytes", "hits", "misses", "evictions", "hitRate")
    return {**{name: whole["exactCache"][name] for name in names}, **whole}


async def clear(runtime: Runtime) -> int:
    """Forget every kept answer; how many there were."""
    settings = runtime.snapshot.config.cache
    equal = await runtime.store.clear(cache_space(settings.exact))
    return equal + await runtime.store.clear(semantic_space(settings.semantic))


def _share(hits: int, misses: int) -> float:
    asked = hits + misses
    return round(hits / asked, 4) if asked else 0.0
