"""Budgets: which apply to a request, in which period, and what happens when one is used up."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct

from omniroute.admission.values import Caller, Refuse
from omniroute.config.model import Budget, Mark
from omniroute.config.names import compile_globs
from omniroute.errors import RequestError
from omniroute.state.store import BudgetTake, Spent

_KEEP_S = 7 * 86400.0  # a finished period's counter stays readable for a week


class Period(NamedTuple):
    """A budget's current period: [start_s, end_s) in seconds since the epoch."""

    name: str
    start_s: float
    end_s: float


_TOTAL = Period("total", 0.0, float("inf"))


def period_of(budget: Budget, now: datetime) -> Period:
    """The calendar day, ISO week or month in the budget's timezone that holds `now`."""
    if budget.period == "total":
        return _TOTAL
    zone = ZoneInfo(budget.timezone)
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    match budget.period:
        case "daily":
            start = midnight
            end = midnight + timedelta(days=1)
            name = f"{start:%Y-%m-%d}"
        case "weekly":
            start = midnight - timedelta(days=midnight.weekday())
            end = start + timedelta(days=7)
            year, week, _ = start.isocalendar()
            name = f"{year}-W{week:02}"
        case "monthly":
            start = midnight.replace(day=1)
            end = (start + timedelta(days=32)).replace(day=1)
            name = f"{start:%Y-%m}"
    return Period(name, start.timestamp(), end.timestamp())


class BudgetEvent(Struct, frozen=True, kw_only=True):
    """Spend crossed a warning threshold: for the log, the metrics and the webhook."""

    budget: str
    period: str
    threshold: float
    """A share of the limit; 0.8 is 80%."""
    spent_nanousd: int
    limit_nanousd: int


class Unpriced(Struct, frozen=True, kw_only=True):
    """A budget that would have to count a model of which nobody knows what it costs."""

    budget: str
    provider: str
    model: str
    """Without the provider."""


class Meter:
    """One budget with its current period remembered, since finding it costs a time zone look-up."""

    def __init__(self, budget: Budget, mark: Mark | None) -> None:
        self.budget = budget
        self.mark = mark
        self._prefix = "|".join(("budget", budget.id, *budget.scope))
        self._period = Period("", 0.0, 0.0)
        self._counter = ""
        self._expires_at_s: float | None = None

    def period(self, now: datetime) -> Period:
        self._enter(now, now.timestamp())
        return self._period

    def counter(self, now: datetime) -> str:
        """The store's key for the current period."""
        self._enter(now, now.timestamp())
        return self._counter

    def expires_at_s(self, now: datetime) -> float | None:
        """When the current period's counter may be forgotten."""
        self._enter(now, now.timestamp())
        return self._expires_at_s

    def holds(self, lifted: Collection[str]) -> bool:
        """Whether it can refuse, for a request that the `lifted` budgets have degraded."""
        return self.budget.action != "warn" and self.budget.id not in lifted

    def take(
        self, cost_nanousd: int, now: datetime, now_s: float, lifted: Collection[str]
    ) -> BudgetTake:
        """`now_s` is `now` again, as the caller needs it for all its meters."""
        self._enter(now, now_s)
        budget = self.budget
        return BudgetTake(
            key=self._counter,
            owner=budget.id,
            limit_nanousd=budget.limit_nanousd,
            cost_nanousd=cost_nanousd,
            enforce=self.holds(lifted),
            expires_at_s=self._expires_at_s,
        )

    def _enter(self, now: datetime, now_s: float) -> None:
        period = self._period
        if period.start_s <= now_s < period.end_s:
            return
        period = self._period = period_of(self.budget, now)
        self._counter = f"{self._prefix}|{period.name}"
        self._expires_at_s = None if period == _TOTAL else period.end_s + _KEEP_S


class BudgetBook:
    """All budgets, sorted by scope so that a request only looks at those that can concern it."""

    def __init__(
        self,
        budgets: Mapping[str, Budget],
        positions: Mapping[tuple[str | int, ...], Mark] | None = None,
    ) -> None:
        at = positions or {}
        self.meters = {
            name: Meter(budget, at.get(("budgets", name))) for name, budget in budgets.items()
        }
        self._general = list[Meter]()
        self._by_key = dict[str, list[Meter]]()
        self._by_tag = dict[tuple[str, str], list[Meter]]()
        self._by_provider = dict[str, list[Meter]]()
        self._by_model = list[Meter]()
        for meter in self.meters.values():
            match meter.budget.scope:
                case ("key", name):
                    self._by_key.setdefault(name, []).append(meter)
                case ("tag", name, value):
                    self._by_tag.setdefault((name, value), []).append(meter)
                case ("provider", name):
                    self._by_provider.setdefault(name, []).append(meter)
                case ("model", _):
                    self._by_model.append(meter)
                case _:
                    self._general.append(meter)

    def __bool__(self) -> bool:
        return bool(self.meters)

    def of_caller(self, caller: Caller) -> list[Meter]:
        """The budgets that do not depend on where the request goes."""
        found = list(self._general)
        if caller.key_id is not None and self._by_key:
            found += self._by_key.get(caller.key_id, ())
        if self._by_tag:
            for tag in caller.tags.items():
                found += self._by_tag.get(tag, ())
        return found

    def of_target(self, provider: str, model: str) -> list[Meter]:
        """The budgets of a provider and of a model, `provider/model` or its bare id."""
        if not (self._by_provider or self._by_model):
            return []
        found = list(self._by_provider.get(provider, ()))
        full = f"{provider}/{model}"
        for meter in self._by_model:
            matches = compile_globs((meter.budget.scope[1],)).fullmatch
            if matches(full) or matches(model):
                found.append(meter)
        return found


class Spend(Struct, frozen=True, kw_only=True):
    """One answered request as the ledger remembers it."""

    at: datetime
    key_id: str | None
    tags: Mapping[str, str]
    provider: str
    model: str
    """Without the provider."""
    cost_nanousd: int


def rebuild_since(book: BudgetBook, now: datetime) -> datetime | None:
    """How far back the ledger must be read to know all current periods; None for not at all."""
    starts = [meter.period(now).start_s for meter in book.meters.values()]
    return datetime.fromtimestamp(min(starts), UTC) if starts else None


def rebuild_spend(book: BudgetBook, rows: Iterable[Spend], now: datetime) -> Mapping[str, int]:
    """What each budget has spent in its current period, by the store's key; for `Store.restore`."""
    spent = {meter.counter(now): 0 for meter in book.meters.values()}
    for row in rows:
        caller = Caller(key_id=row.key_id, tags=row.tags)
        for meter in (*book.of_caller(caller), *book.of_target(row.provider, row.model)):
            period = meter.period(now)
            if period.start_s <= row.at.timestamp() < period.end_s:
                spent[meter.counter(now)] += row.cost_nanousd
    return spent


def events_of(book: BudgetBook, spent: Iterable[Spent]) -> tuple[BudgetEvent, ...]:
    """The thresholds that this settlement crossed.

    Spend only grows within a period and settlements are one after the other, so every threshold is
    crossed by exactly one of them, however many workers there are.
    """
    events = list[BudgetEvent]()
    for change in spent:
        meter = book.meters.get(change.take.owner)
        if meter is None:
            continue
        budget = meter.budget
        for threshold in budget.warn_at:
            line = threshold * budget.limit_nanousd
            if change.before_nanousd < line <= change.after_nanousd:
                events.append(
                    BudgetEvent(
                        budget=budget.id,
                        period=change.take.key.rpartition("|")[2],
                        threshold=threshold,
                        spent_nanousd=change.after_nanousd,
                        limit_nanousd=budget.limit_nanousd,
                    )
                )
    return tuple(events)


def refuse_budget(meter: Meter, take: BudgetTake, used_nanousd: int, now: datetime) -> Refuse:
    """A 402 that names the budget, what is used, what the request would have reserved, and when the
    next period begins."""
    budget = meter.budget
    period = meter.period(now)
    wait = None if budget.period == "total" else max(0.0, period.end_s - now.timestamp())
    again = "" if wait is None else f"; it begins anew {_utc(period.end_s)}"
    return Refuse(
        error=RequestError(
            "budget",
            f"budget {budget.id!r} ({budget.period}) has {_usd(budget.limit_nanousd)}, "
            f"{_usd(used_nanousd)} is spent or reserved, "
            f"and this request would have reserved {_usd(take.cost_nanousd)}{again}",
            code="budget_exceeded",
            retry_after_s=None if wait is None else float(int(wait) + 1),
        ),
        decided_by=f"budget:{budget.id}",
        mark=meter.mark,
    )


def refuse_unpriced(meter: Meter, lack: Unpriced) -> Refuse:
    """A 402 that says how to declare a price."""
    return Refuse(
        error=RequestError(
            "budget",
            f"budget {meter.budget.id!r} cannot count {lack.provider}/{lack.model}, which has no "
            f"price; declare one at providers.{lack.provider}.models, such as "
            f"{lack.model}: {{price: {{input: 0.5, output: 1.5}}}} in US dollars per million "
            "tokens (0 says that it is free), or let it pass with `unpriced: allow` in the budget",
            code="model_unpriced",
        ),
        decided_by=f"budget:{meter.budget.id}",
        mark=meter.mark,
    )


def _usd(nanousd: int) -> str:
    """In cents, with more digits only where there is less than that."""
    if nanousd >= 10_000_000 or not nanousd:
        return f"${nanousd / 1e9:.2f}"
    return f"${nanousd / 1e9:.9f}".rstrip("0")


def _utc(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%MZ}"
