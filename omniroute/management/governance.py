"""Policies as they are in force, and budgets with what is left of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import isinf
from typing import Any, Final

from omniroute.admission.budget import Meter
from omniroute.base.units import NANO
from omniroute.config.model import KeyRateLimit, Mark
from omniroute.errors import RequestError
from omniroute.management.amount import amount, text
from omniroute.management.writeback import change_section
from omniroute.state.store import Balance
from omniroute.worker.runtime import Runtime

PERIODS: Final = ("daily", "weekly", "monthly", "total")


def policies(runtime: Runtime) -> dict[str, Any]:
    """In the order in which they decide, each with the place that declares it."""
    config = runtime.snapshot.config
    return {
        "policies": [
            {
                "id": policy.id,
                "action": policy.action,
                "when": policy.when,
                "message": policy.message,
                "to": policy.to,
                "values": dict(policy.values),
                "limit": None if policy.limit is None else _limit(policy.limit),
                "per": policy.per,
                "require": policy.require,
                **_place(config.positions.get(("policies", at))),
            }
            for at, policy in enumerate(config.policies)
        ]
    }


def _limit(limit: KeyRateLimit) -> dict[str, Any]:
    def window(bound: tuple[int, float] | None) -> dict[str, Any] | None:
        return None if bound is None else {"amount": bound[0], "windowMs": round(bound[1] * 1000)}

    return {
        "requests": window(limit.requests),
        "tokens": window(limit.tokens),
        "concurrent": limit.concurrent,
    }


def _place(mark: Mark | None) -> dict[str, Any]:
    return {
        "file": None if mark is None else mark.file,
        "line": None if mark is None else mark.line,
    }


async def budgets(runtime: Runtime, *, key: str | None = None) -> dict[str, Any]:
    """Every budget, or those that a key's requests count against. Raises RequestError (404)."""
    book, now = runtime.snapshot.admission.book, runtime.clock.now()
    meters: Iterable[Meter] = book.meters.values()
    if key is not None:
        meters = [meter for meter in meters if _concerns(runtime, key, meter)]
    chosen = list(meters)
    balances = await runtime.store.balances(tuple(meter.counter(now) for meter in chosen))
    return {
        "budgets": [
            _budget(meter, balance, now) for meter, balance in zip(chosen, balances, strict=True)
        ],
        "stateAvailable": runtime.store.available,
    }


async def set_key_budget(
    runtime: Runtime, body: Mapping[str, Any], *, if_match: str | None
) -> dict[str, Any]:
    """Declare `budgets.key-<id>`, or change its limit and period; the budget as it is then.

    Raises RequestError: 400 with the field, 404 for an unknown key, and what `change_section` does.
    """
    key = text(body.get("keyId", body.get("apiKeyId")), "keyId")
    limit_usd = amount(body.get("limit"), "limit")
    period = text(body.get("period", "monthly"), "period")
    if period not in PERIODS:
        raise RequestError(
            "invalid_request", f"period must be one of {', '.join(PERIODS)}", param="period"
        )
    if key not in runtime.snapshot.config.keys:
        raise RequestError("not_found", f'there is no key "{key}"', param="keyId")
    name = f"key-{key}"
    entry = {"scope": {"key": key}, "limit": limit_usd, "period": period}
    await change_section(runtime, ("budgets", name), {name: entry}, if_match=if_match)
    rows = (await budgets(runtime, key=key))["budgets"]
    return next(row for row in rows if row["id"] == name)


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


def _budget(meter: Meter, balance: Balance, now: datetime) -> dict[str, Any]:
    budget, period = meter.budget, meter.period(now)
    used = balance.spent_nanousd + balance.reserved_nanousd
    return {
        "id": budget.id,
        "scope": _scope(budget.scope),
        "period": budget.period,
        "timezone": budget.timezone,
        "currentPeriod": period.name,
        "limitUsd": budget.limit_nanousd / NANO,
        "spentUsd": balance.spent_nanousd / NANO,
        "reservedUsd": balance.reserved_nanousd / NANO,
        "leftUsd": max(0, budget.limit_nanousd - used) / NANO,
        "startsAt": _instant(period.start_s) if budget.period != "total" else None,
        "resetsAt": None if isinf(period.end_s) else _instant(period.end_s),
        "action": budget.action,
        "degradeTo": budget.degrade_to,
        "warnAt": list(budget.warn_at),
        **_place(meter.mark),
    }


def _scope(scope: tuple[str, ...]) -> dict[str, Any]:
    match scope:
        case ("tag", name, value):
            return {"tag": {name: value}}
        case (kind, name):
            return {kind: name}
        case _:
            return {"global": True}


def _instant(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat()
