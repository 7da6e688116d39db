"""/api/usage/budget: budgets, what is left of them, and a key's own."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from omniroute.http.api.operation import operation
from omniroute.http.edge.routes import Surface
from omniroute.management import budgets
from omniroute.management.budgets import Budgets, KeyBudget, KeyBudgetSet
from omniroute.management.writeback import REFUSES, Author
from omniroute.worker.runtime import Runtime


class WhoseBudgets(Struct, frozen=True, rename="camel"):
    """Those that a key's requests count against; `apiKeyId` is another name of `keyId`."""

    key_id: str | UnsetType = UNSET
    api_key_id: str | UnsetType = UNSET


async def _budgets(runtime: Runtime, *, query: WhoseBudgets) -> Budgets:
    return await budgets.budgets(runtime, key=query.key_id or query.api_key_id or None)


async def _set(runtime: Runtime, *, body: KeyBudget, author: Author) -> KeyBudgetSet:
    return await budgets.set_key_budget(runtime, body, author=author)


ROUTES = (
    operation(
        "GET",
        "/api/usage/budget",
        _budgets,
        name="budgets",
        surface=Surface.VIEWER,
        summary="Budgets and what is left of them",
        refuses=(404,),
    ),
    operation(
        "POST",
        "/api/usage/budget",
        _set,
        name="budget_set",
        surface=Surface.ADMIN,
        summary="Set a key's budget",
        refuses=(404, *REFUSES),
    ),
)
