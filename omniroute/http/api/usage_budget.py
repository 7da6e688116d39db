"""/api/usage/budget: budgets, what is left of them, and a key's own."""

from __future__ import annotations

from sanic import HTTPResponse

from omniroute.http.edge.asked import Asked
from omniroute.http.edge.respond import as_json
from omniroute.http.edge.routes import Route, Surface
from omniroute.management import governance
from omniroute.request.body import parse_body
from omniroute.worker.runtime import Runtime


async def _budgets(runtime: Runtime, asked: Asked) -> HTTPResponse:
    key = asked.query("keyId") or asked.query("apiKeyId")
    return as_json(await governance.budgets(runtime, key=key))


async def _set_budget(runtime: Runtime, asked: Asked) -> HTTPResponse:
    budget = await governance.set_key_budget(
        runtime, parse_body(asked.body), if_match=asked.headers.get("if-match")
    )
    return as_json({"success": True, "budget": budget})


ROUTES = (
    Route(
        method="GET",
        path="/api/usage/budget",
        name="budgets",
        surface=Surface.VIEWER,
        handle=_budgets,
        summary="Budgets and what is left of them",
    ),
    Route(
        method="POST",
        path="/api/usage/budget",
        name="budget_set",
        surface=Surface.ADMIN,
        handle=_set_budget,
        summary="Set a key's budget",
    ),
)
