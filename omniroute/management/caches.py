"""The answer cache and the memory of repeats."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import asdict

from omniroute.admission.cache import cache_space, semantic_space
from omniroute.answers.cache import semantic_figures
from omniroute.config.model import ExactCache
from omniroute.management.derived import show, shown
from omniroute.state.store import SpaceStats
from omniroute.worker.runtime import Runtime


class CacheCounts(Struct, frozen=True, kw_only=True, rename="camel"):
    """Look-ups since the start of the store; `hitRate` is 0 without any."""

    hits: int
    misses: int
    evictions: int
    hit_rate: float


class KnownCache(CacheCounts, frozen=True, kw_only=True, rename="camel"):
    """One cache as older clients know it; `tier` says which one it is."""

    tier: Literal["exact", "semantic"]
    memory_size: int
    memory_max_size: int
    db_size: int


class CacheFigures(
    shown(
        ExactCache,
        only=("max_entries", "max_bytes"),
        names={"max_entries": "maxSize"},
        base=CacheCounts,
    ),
    frozen=True,
    kw_only=True,
    rename="camel",
):
    """What the exact cache holds, and its bounds."""

    size: int
    bytes: int


class ExactCacheReport(
    shown(ExactCache, only=("enabled", "ttl_s"), base=CacheFigures),
    frozen=True,
    kw_only=True,
    rename="camel",
):
    """The exact cache with its settings."""

    scope: str
    store: str


class RepeatMemory(Struct, frozen=True, kw_only=True, rename="camel"):
    """Requests that are remembered by their `Idempotency-Key`."""

    active_keys: int
    window_ms: int


class CacheOverview(Struct, frozen=True, kw_only=True, rename="camel"):
    """In the shape that clients of the original read.

    They know one cache: `semanticCache` is the tier by meaning where that is enabled, and the exact
    one, whose `dbSize` counts what a shared store holds, otherwise.
    """

    semantic_cache: KnownCache
    exact_cache: ExactCacheReport
    idempotency: RepeatMemory


class CacheStats(CacheFigures, frozen=True, kw_only=True, rename="camel"):
    """The overview with the exact cache's figures at the top as well."""

    semantic_cache: KnownCache
    exact_cache: ExactCacheReport
    idempotency: RepeatMemory


class CacheCleared(Struct, frozen=True, kw_only=True, rename="camel"):
    """How many answers were forgotten."""

    ok: bool
    cleared: int
    scope: Literal["all"]


async def overview(runtime: Runtime) -> CacheOverview:
    config = runtime.snapshot.config
    held = await runtime.store.stats(cache_space(config.cache.exact))
    counted = _counts(held)
    exact = show(
        ExactCacheReport,
        config.cache.exact,
        scope=config.cache.scope,
        store=runtime.store.name,
        size=held.entries,
        bytes=held.size_bytes,
        **asdict(counted),
    )
    return CacheOverview(
        semantic_cache=await _known(runtime, held, counted),
        exact_cache=exact,
        idempotency=RepeatMemory(
            active_keys=await runtime.store.repeats(runtime.clock.now().timestamp()),
            window_ms=round(config.idempotency.window_s * 1000),
        ),
    )


async def stats(runtime: Runtime) -> CacheStats:
    whole = await overview(runtime)
    exact = whole.exact_cache
    figures = {name: getattr(exact, name) for name in CacheFigures.__struct_fields__}
    return CacheStats(
        semantic_cache=whole.semantic_cache,
        exact_cache=exact,
        idempotency=whole.idempotency,
        **figures,
    )


async def clear(runtime: Runtime) -> CacheCleared:
    """Forget every kept answer."""
    settings = runtime.snapshot.config.cache
    equal = await runtime.store.clear(cache_space(settings.exact))
    near = await runtime.store.clear(semantic_space(settings.semantic))
    return CacheCleared(ok=True, cleared=equal + near, scope="all")


async def _known(runtime: Runtime, held: SpaceStats, counted: CacheCounts) -> KnownCache:
    config = runtime.snapshot.config
    if config.cache.semantic.enabled:
        figures = await semantic_figures(config, runtime.store, runtime.semantic)
        return KnownCache(tier="semantic", **asdict(figures))
    shared = runtime.store.name != "memory"
    return KnownCache(
        tier="exact",
        memory_size=0 if shared else held.entries,
        memory_max_size=config.cache.exact.max_entries,
        db_size=held.entries if shared else 0,
        **asdict(counted),
    )


def _counts(held: SpaceStats) -> CacheCounts:
    asked = held.hits + held.misses
    return CacheCounts(
        hits=held.hits,
        misses=held.misses,
        evictions=held.evictions,
        hit_rate=round(held.hits / asked, 4) if asked else 0.0,
    )
