"""The gate as a whole: order of the steps, reservations, budgets, shortages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omniroute.admission.budget import (
    BudgetEvent,
    Spend,
    events_of,
    period_of,
    rebuild_since,
    rebuild_spend,
)
from omniroute.admission.gate import (
    AdmissionPlan,
    after_shortage,
    compile_admission,
    decide,
    identify,
    reservation,
    target_reservation,
)
from omniroute.admission.values import Admit, Caller
from omniroute.config.model import Auth, Budget, IpFilter, Key, KeyRateLimit, Mark, Policy
from omniroute.state.memory import MemoryStore
from omniroute.state.store import Reservation, Shortage, Taken
from tests.admission.cases import NOW, admitted, caller, config, facts, key, refused

USD = 1_000_000_000
NOW_S = NOW.timestamp()


def plan_of(*keys: Key, **fields: Any) -> AdmissionPlan:
    declared = keys or (key("ci", models=("smart", "lab/*")),)
    return compile_admission(config(*declared, **fields))


def reserved(plan: AdmissionPlan, admit: Admit, **asked: Any) -> Reservation:
    given: dict[str, Any] = {
        "input_tokens": 100,
        "output_tokens": 50,
        "cost_nanousd": USD,
        "now": NOW,
        **asked,
    }
    return reservation(plan, admit, **given)


def budget(name: str, *scope: str, **fields: Any) -> Budget:
    given: dict[str, Any] = {"limit_nanousd": 2 * USD, "period": "daily", **fields}
    return Budget(id=name, scope=scope, **given)


def test_strangers_from_refused_addresses_do_not_learn_whether_a_key_is_valid() -> None:
    plan = plan_of(auth=Auth(require_api_key=True), ip_filter=IpFilter(mode="allow"))
    for secret in ("sk-ci", "wrong", None):
        refusal = refused(identify(plan, secret, ip="1.2.3.4", surface="inference", now=NOW))
        assert refusal.decided_by == "ip_filter"


def test_a_known_key_comes_in() -> None:
    found = identify(plan_of(), "sk-ci", ip="1.2.3.4", surface="inference", now=NOW)
    assert isinstance(found, Caller)
    assert found.key_id == "ci"


def test_a_key_without_the_role_may_not_ask() -> None:
    viewer = caller(key("v", roles=("viewer",)))
    assert refused(decide(plan_of(), facts(viewer), NOW)).error.code == "missing_role"


def test_with_everything_off_nothing_is_claimed() -> None:
    plan = plan_of()
    assert reserved(plan, admitted(decide(plan, facts(), NOW))) == Reservation()


def test_a_claim_holds_all_that_applies() -> None:
    limit = KeyRateLimit(requests=(600, 60.0), tokens=(2_000_000, 86400.0), concurrent=32)
    limited = key("ci", rate_limit=limit, tags={"team": "platform"})
    who = caller(limited)
    plan = plan_of(
        limited,
        budgets={
            one.id: one
            for one in (
                budget("all", "global"),
                budget("key", "key", "ci"),
                budget("other", "key", "else"),
                budget("tag", "tag", "team", "platform", action="warn"),
                budget("tag2", "tag", "team", "x"),
                budget("prov", "provider", "lab"),
                budget("glob", "model", "lab/*"),
                budget("bare", "model", "llama"),
                budget("gpt", "model", "openai/*"),
            )
        },
    )
    asked = reserved(plan, admitted(decide(plan, facts(who), NOW)))
    assert [(take.unit, take.limit, take.cost) for take in asked.windows] == [
        ("requests", 600, 1),
        ("tokens", 2_000_000, 150),
    ]
    assert [take.limit for take in asked.slots] == [32]
    assert [(take.owner, take.enforce) for take in asked.budgets] == [
        ("all", True),
        ("key", True),
        ("tag", False),
    ]
    there = target_reservation(
        plan,
        admitted(decide(plan, facts(who), NOW)),
        provider="lab",
        model="llama",
        cost_nanousd=5,
        now=NOW,
    )
    assert [take.owner for take in there.budgets] == ["prov", "glob", "bare"]
    again = target_reservation(
        plan,
        admitted(decide(plan, facts(who), NOW)),
        provider="openai",
        model="gpt-5",
        cost_nanousd=5,
        now=NOW,
    )
    assert [(take.owner, take.cost_nanousd) for take in again.budgets] == [("gpt", 5)]


async def test_a_used_up_budget_refuses_with_its_line_and_next_period() -> None:
    mark = Mark("b.yaml", 4, 3)
    plan = plan_of(budgets={"b": budget("b", "global")}, positions={("budgets", "b"): mark})
    store = MemoryStore()
    admit = admitted(decide(plan, facts(), NOW))
    wanted = reserved(plan, admit, cost_nanousd=3 * USD)
    shortage = await store.take(wanted, NOW_S)
    assert isinstance(shortage, Shortage)
    refusal = refused(after_shortage(plan, admit, shortage, NOW))
    assert (refusal.error.status, refusal.error.code) == (402, "budget_exceeded")
    assert (refusal.decided_by, refusal.mark) == ("budget:b", mark)
    assert refusal.error.retry_after_s == pytest.approx(14 * 3600 + 1)
    assert refusal.error.message == (
        "budget 'b' (daily) has $2.00, $0.00 is spent or reserved, and this request would have "
        "reserved $3.00; it begins anew 2026-11-25T00:00Z"
    )


async def test_a_degrading_budget_routes_elsewhere_and_goes_on_counting() -> None:
    plan = plan_of(budgets={"b": budget("b", "global", action="degrade", degrade_to="lab/llama")})
    store = MemoryStore()
    admit = admitted(decide(plan, facts(), NOW))
    short = await store.take(reserved(plan, admit, cost_nanousd=3 * USD), NOW_S)
    assert isinstance(short, Shortage)
    again = admitted(after_shortage(plan, admit, short, NOW))
    assert (again.model, again.routed_by) == ("lab/llama", "budget:b")
    taken = await store.take(reserved(plan, again, cost_nanousd=3 * USD), NOW_S)
    assert isinstance(taken, Taken)


async def test_a_refused_limit_says_which_and_when() -> None:
    policy = Policy(id="slow", action="limit", limit=KeyRateLimit(requests=(1, 60.0)))
    plan = plan_of(policies=(policy,), positions={("policies", 0): Mark("p.yaml", 9, 3)})
    store = MemoryStore()
    admit = admitted(decide(plan, facts(), NOW))
    assert isinstance(await store.take(reserved(plan, admit), NOW_S), Taken)
    shortage = await store.take(reserved(plan, admit), NOW_S + 0.5)
    assert isinstance(shortage, Shortage)
    refusal = refused(after_shortage(plan, admit, shortage, NOW))
    assert refusal.error.message == "limit of 1 requests per minute reached (policy:slow)"
    assert (refusal.error.status, refusal.error.retry_after_s) == (429, 60.0)
    assert (refusal.decided_by, refusal.mark) == ("limit:policy:slow", Mark("p.yaml", 9, 3))


def test_an_answer_longer_than_the_window_waits_for_an_empty_one() -> None:
    limited = key("ci", rate_limit=KeyRateLimit(tokens=(1000, 60.0)))
    plan = plan_of(limited)
    admit = admitted(decide(plan, facts(caller(limited)), NOW))
    assert reserved(plan, admit, output_tokens=64_000).windows[0].cost == 1000
    assert reserved(plan, admit, input_tokens=1001).windows[0].cost == 1051
    assert reserved(plan, admit, output_tokens=None).windows[0].cost == 1000


async def test_warnings_are_given_once_per_threshold() -> None:
    plan = plan_of(budgets={"b": budget("b", "global", warn_at=(0.5, 0.8), action="warn")})
    store = MemoryStore()
    admit = admitted(decide(plan, facts(), NOW))
    seen = list[tuple[BudgetEvent, ...]]()
    for _ in range(5):
        taken = await store.take(reserved(plan, admit, cost_nanousd=9 * USD), NOW_S)
        assert isinstance(taken, Taken)
        spent = await store.settle(taken, now_s=NOW_S, cost_nanousd=USD // 2)
        seen.append(events_of(plan.book, spent))
    assert [[event.threshold for event in events] for events in seen] == [[], [0.5], [], [0.8], []]
    assert seen[1][0] == BudgetEvent(
        budget="b", period="2026-11-24", threshold=0.5, spent_nanousd=USD, limit_nanousd=2 * USD
    )


def test_spend_is_rebuilt_from_the_ledger() -> None:
    plan = plan_of(
        budgets={
            one.id: one
            for one in (
                budget("day", "global"),
                budget("month", "tag", "team", "x", period="monthly"),
                budget("lab", "provider", "lab", period="total"),
            )
        }
    )
    yesterday = NOW - timedelta(days=1)
    rows = [
        Spend(at=at, key_id="ci", tags=tags, provider=provider, model="m", cost_nanousd=cost)
        for at, tags, provider, cost in (
            (NOW, {"team": "x"}, "lab", 1),
            (yesterday, {"team": "x"}, "lab", 10),
            (yesterday, {}, "lab", 100),
            (NOW, {"team": "y"}, "cc", 1000),
        )
    ]
    assert rebuild_spend(plan.book, rows, NOW) == {
        "budget|day|global|2026-11-24": 1001,
        "budget|month|tag|team|x|2026-11": 11,
        "budget|lab|provider|lab|total": 111,
    }
    assert rebuild_since(plan.book, NOW) == datetime.fromtimestamp(0, UTC)
    assert rebuild_since(plan_of().book, NOW) is None


# period, zone, instant, name, start, end; the day on which clocks go forward has 23 hours
PERIODS = """
daily   UTC              2026-11-24T10:00Z 2026-11-24 2026-11-24T00:00Z 2026-11-25T00:00Z
daily   Europe/Berlin    2026-11-23T23:30Z 2026-11-24 2026-11-23T23:00Z 2026-11-24T23:00Z
daily   Europe/Berlin    2026-03-29T10:00Z 2026-03-29 2026-03-28T23:00Z 2026-03-29T22:00Z
weekly  UTC              2027-01-01T10:00Z 2026-W53   2026-12-28T00:00Z 2027-01-04T00:00Z
monthly UTC              2026-12-31T23:59Z 2026-12    2026-12-01T00:00Z 2027-01-01T00:00Z
monthly America/New_York 2026-11-01T03:00Z 2026-10    2026-10-01T04:00Z 2026-11-01T04:00Z
"""


@pytest.mark.parametrize("line", PERIODS.strip().splitlines())
def test_periods(line: str) -> None:
    period, zone, at, name, start, end = line.split()
    declared = budget("b", "global", period=period, timezone=zone)
    assert period_of(declared, _at(at)) == (name, _at(start).timestamp(), _at(end).timestamp())


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
