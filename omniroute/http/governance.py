"""Policies, budgets and the answer cache, for those who look after them."""

from __future__ import annotations

from sanic import HTTPResponse

from omniroute.gateway.body import parse_body
from omniroute.gateway.runtime import Runtime
from omniroute.http.asked import Asked
from omniroute.http.respond import as_json
from omniroute.http.routes import Handle, Route, Surface
from omniroute.management import caches, governance


async def _policies(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return as_json(governance.policies(runtime))


async def _budgets(runtime: Runtime, asked: Asked) -> HTTPResponse:
    key = asked.query("keyId") or asked.query("apiKeyId")
    return as_json(await governance.budgets(runtime, key=key))


async def _set_budget(runtime: Runtime, asked: Asked) -> HTTPResponse:
    budget = await governance.set_key_budget(
        runtime, parse_body(asked.body), if_match=asked.headers.get("if-match")
    )
    return as_json({"success": True, "budget": budget})


async def _cache(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return as_json(await caches.overview(runtime))


async def _cache_stats(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return as_json(await caches.stats(runtime))


async def _clear_cache(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return as_json({"ok": True, "cleared": await caches.clear(runtime), "scope": "all"})


def _route(
    method: str, path: str, name: str, handle: Handle, *, surface: Surface, summary: str
) -> Route:
    return Route(
        method=method, path=path, name=name, surface=surface, handle=handle, summary=summary
    )


ROUTES = (
    _route(
        "GET",
        "/api/policies",
        "policies",
        _policies,
        surface=Surface.VIEWER,
        summary="Policies in the order in which they decide",
    ),
    _route(
        "GET",
        "/api/usage/budget",
        "budgets",
        _budgets,
        surface=Surface.VIEWER,
        summary="Budgets and what is left of them",
    ),
    _route(
        "POST",
        "/api/usage/budget",
        "budget_set",
        _set_budget,
        surface=Surface.ADMIN,
        summary="Set a key's budget",
    ),
    _route(
        "GET",
        "/api/cache",
        "cache",
        _cache,
        surface=Surface.VIEWER,
        summary="The answer cache and remembered repeats",
    ),
    _route(
        "DELETE",
        "/api/cache",
        "cache_clear",
        _clear_cache,
        surface=Surface.ADMIN,
        summary="Forget every kept answer",
    ),
    _route(
        "GET",
        "/api/cache/stats",
        "cache_stats",
        _cache_stats,
        surface=Surface.VIEWER,
        summary="Figures of the answer cache",
    ),
    _route(
        "DELETE",
        "/api/cache/stats",
        "cache_stats_clear",
        _clear_cache,
        surface=Surface.ADMIN,
        summary="Forget every kept answer",
    ),
)
