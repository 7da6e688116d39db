"""Budgets with what is left of them, and declaring a key's own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from math import isinf
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from omniroute.admission.budget import Meter
from omniroute.base.units import NANO
from omniroute.config.model import Budget
from omniroute.errors import RequestError
from omniroute.management.derived import changes, in_file, show, shown
from omniroute.management.moment import Instant
from omniroute.management.place import Place, place
from omniroute.management.writeback import Author, change_section
from omniroute.state.store import Balance
from omniroute.worker.runtime import Runtime


class BudgetReport(
    shown(Budget, without=("scope", "webhook"), base=Place),
    frozen=True,
    kw_only=True,
    rename="camel",
):
    """One budget in its current period; `reservedUsd` is what running requests may still cost."""

    scope: dict[str, str | bool | dict[str, str]]
    """One of `global`, `key`, `tag`, `provider` and `model`, and what it names."""
    current_period: str
    spent_usd: float
    reserved_usd: float
    left_usd: float
    starts_at: Instant | None
    resets_at: Instant | None


class Budgets(Struct, frozen=True, kw_only=True, rename="camel"):
    """`stateAvailable` is false while the shared state, and with it all spend, is away."""

    budgets: list[BudgetReport]
    state_available: bool


Limit = Annotated[float, Meta(gt=0)]


class KeyBudget(
    changes(shown(Budget, only=("period",))), frozen=True, kw_only=True, rename="camel"
):
    """A key's own budgets, in US dollars: one of `limit` and `period`, and one for each period that
    is named, which stand beside each other. `apiKeyId` is another name of `keyId`."""

    key_id: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET
    api_key_id: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET
    limit: Annotated[float, Meta(ge=0)] | UnsetType = UNSET
    daily_limit_usd: Limit | UnsetType = UNSET
    weekly_limit_usd: Limit | UnsetType = UNSET
    monthly_limit_usd: Limit | UnsetType = UNSET


class KeyBudgetSet(Struct, frozen=True, kw_only=True, rename="camel"):
    """As it is now."""

    success: bool
    api_key_id: str
    budget: BudgetReport
    """The first that was set."""


async def budgets(runtime: Runtime, *, key: str | None = None) -> Budgets:
    """Every budget, or those that a key's requests count against. Raises RequestError (404)."""
    book, now = runtime.snapshot.admission.book, runtime.clock.now()
    meters: Iterable[Meter] = book.meters.values()
    if key is not None:
        meters = [meter for meter in meters if _concerns(runtime, key, meter)]
    chosen = list(meters)
    balances = await runtime.store.balances(tuple(meter.counter(now) for meter in chosen))
    rows = [_budget(meter, balance, now) for meter, balance in zip(chosen, balances, strict=True)]
    return Budgets(budgets=rows, state_available=runtime.store.available)


async def set_key_budget(runtime: Runtime, change: KeyBudget, *, author: Author) -> KeyBudgetSet:
    """Declare `budgets.key-<id>`, or change its limit and period (`monthly` unless it is said), and
    `budgets.key-<id>-daily` and so on.

    Raises RequestError: 400 without a key or a limit, 404 for an unknown key, and what
    `change_section` does.
    """
    key = change.key_id or change.api_key_id
    if not key:
        raise RequestError("invalid_request", "name a key", param="keyId")
    if key not in runtime.snapshot.config.keys:
        raise RequestError("not_found", f'there is no key "{key}"', param="keyId")
    entries = _entries_of(key, change)
    if not entries:
        raise RequestError("invalid_request", "say a limit", param="limit")
    await change_section(runtime, "budgets", entries, author=author)
    meters, now = runtime.snapshot.admission.book.meters, runtime.clock.now()
    meter = meters[next(iter(entries))]
    (balance,) = await runtime.store.balances((meter.counter(now),))
    return KeyBudgetSet(success=True, api_key_id=key, budget=_budget(meter, balance, now))


def _entries_of(key: str, change: KeyBudget) -> dict[str, dict[str, Any]]:
    """As the file has them, by id."""
    found: dict[str, dict[str, Any]] = {}
    if change.limit is not UNSET:
        entry = {"scope": {"key": key}, "limit": change.limit, "period": "monthly"}
        found[f"key-{key}"] = entry | in_file(change, whole=False)
    for period, limit in (
        ("daily", change.daily_limit_usd),
        ("weekly", change.weekly_limit_usd),
        ("monthly", change.monthly_limit_usd),
    ):
        if limit is not UNSET:
            entry = {"scope": {"key": key}, "limit": limit, "period": period}
            found[f"key-{key}-{period}"] = entry
    return found


def _concerns(runtime: Runtime, key: str, meter: Meter) -> bool:
    declared = runtime.snapshot.config.keys.get(key)
    if declared is None:
        raise RequestError("not_found", f'there is no key "{key}"', param="keyId")
    match meter.budget.scope:
        case ("key", name):
            return name == key
        case ("tag", name, value):
            return declared.tags.get(name) == value
        case _:
            return True


def _budget(meter: Meter, balance: Balance, now: datetime) -> BudgetReport:
    budget, period = meter.budget, meter.period(now)
    used = balance.spent_nanousd + balance.reserved_nanousd
    return show(
        BudgetReport,
        budget,
        scope=_scope(budget.scope),
        current_period=period.name,
        spent_usd=balance.spent_nanousd / NANO,
        reserved_usd=balance.reserved_nanousd / NANO,
        left_usd=max(0, budget.limit_nanousd - used) / NANO,
        starts_at=_instant(period.start_s) if budget.period != "total" else None,
        resets_at=None if isinf(period.end_s) else _instant(period.end_s),
        **place(meter.mark),
    )


def _scope(scope: tuple[str, ...]) -> dict[str, str | bool | dict[str, str]]:
    match scope:
        case ("tag", name, value):
            return {"tag": {name: value}}
        case (kind, name):
            return {kind: name}
        case _:
            return {"global": True}


def _instant(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat()
