"""The configuration's own tests: a request on paper, through the same decisions as a real one.

Nothing is sent and no secret is looked up: keys are named by their id, spend is given, and every
connection counts as healthy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from random import Random
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType, convert, field
from msgspec.structs import replace

from omniroute.admission.gate import (
    AdmissionPlan,
    after_shortage,
    claim,
    compile_admission,
    decide,
)
from omniroute.admission.policy import CACHE_FIELD
from omniroute.admission.values import Admit, Caller, Refuse, RequestFacts
from omniroute.config.model import Config, ConfigTest, ModelKind
from omniroute.errors import RequestError
from omniroute.request.cost import cost_of
from omniroute.routing.index import ModelIndex, compile_index
from omniroute.routing.live import LiveState
from omniroute.routing.plan import RouteFacts, plan
from omniroute.routing.resolve import resolve
from omniroute.routing.values import Branch, Candidate, Leaf, Resolved
from omniroute.state.store import Claim, Shortage, exceeds
from omniroute.translation.hub import hub_field
from omniroute.translation.values import Usage

_NANO: Final = 1_000_000_000
_MAX_DEGRADED: Final = 8  # each degradation lifts one budget; more are a circle of lints


class Given(Struct, frozen=True, kw_only=True):
    """`given:` of a test, as the schema has checked it."""

    model: str = ""
    key: str | None = None
    tags: Mapping[str, str] | None = None
    ip: str | None = None
    format: str = "openai-chat"
    path: str = "/v1/chat/completions"
    kind: ModelKind = "chat"
    stream: bool = False
    headers: Mapping[str, str] = {}
    at: str | None = None
    input_tokens: int = 0
    max_tokens: int | None = None
    spent: Mapping[str, float] = {}


class Expect(Struct, frozen=True, kw_only=True):
    """`expect:` of a test."""

    deny: str | bool = False
    status: int | UnsetType = UNSET
    model: str | UnsetType = UNSET
    route: str | tuple[str, ...] | UnsetType = UNSET
    set_fields: Mapping[str, Any] | UnsetType = field(default=UNSET, name="set")
    limits: tuple[str, ...] | UnsetType = UNSET
    warn: tuple[str, ...] | UnsetType = UNSET


class Touched(Struct, frozen=True, kw_only=True):
    """What a request met on its way."""

    policies: frozenset[str] = frozenset()
    combos: frozenset[str] = frozenset()
    budgets: frozenset[str] = frozenset()


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of a request: a refusal, or what it was admitted with."""

    refusal: Refuse | None = None
    admit: Admit | None = None
    route: tuple[str, ...] = ()
    touched: Touched = Touched()


class Result(Struct, frozen=True, kw_only=True):
    """One test; it passed when nothing is wrong."""

    test: ConfigTest
    wrong: tuple[str, ...]
    outcome: Outcome


class Coverage(Struct, frozen=True, kw_only=True):
    """Ids of one section that some test met, and those that none did, in the file's order."""

    section: str
    touched: tuple[str, ...]
    untouched: tuple[str, ...]


class Stage:
    """A configuration, compiled once for all its tests."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.admission: AdmissionPlan = compile_admission(config)
        self.index: ModelIndex = compile_index(config, {})


def run_test(stage: Stage, test: ConfigTest, now: datetime) -> Result:
    """`now` is the instant of tests that name none."""
    given = convert(test.given, Given)
    expect = convert(test.expect, Expect)
    outcome = rehearse(stage, given, now)
    return Result(test=test, wrong=tuple(_compare(expect, outcome)), outcome=outcome)


def coverage_of(config: Config, results: tuple[Result, ...]) -> tuple[Coverage, ...]:
    touched = [result.outcome.touched for result in results]
    sections = (
        ("policies", [p.id for p in config.policies], [t.policies for t in touched]),
        ("combos", list(config.combos), [t.combos for t in touched]),
        ("budgets", list(config.budgets), [t.budgets for t in touched]),
    )
    found = list[Coverage]()
    for section, ids, seen in sections:
        met = frozenset[str]().union(*seen)
        found.append(
            Coverage(
                section=section,
                touched=tuple(name for name in ids if name in met),
                untouched=tuple(name for name in ids if name not in met),
            )
        )
    return tuple(found)


def rehearse(stage: Stage, given: Given, now: datetime) -> Outcome:
    """One request through identify, resolve, decide, claim and plan."""
    if given.at is not None:
        now = datetime.fromisoformat(given.at)
    caller = _identify(stage, given, now)
    if isinstance(caller, Refuse):
        return Outcome(refusal=caller)
    globs = caller.key.models if caller.key is not None else ()
    try:
        resolved = resolve(stage.index, given.model, globs)
    except RequestError as error:
        by = f"key:{caller.key_id}" if error.kind == "permission" else "model"
        return Outcome(refusal=Refuse(error=error, decided_by=by))
    facts = RequestFacts(
        caller=caller,
        ip=given.ip or "127.0.0.1",
        path=given.path,
        format=given.format,
        model=resolved.id,
        requested=given.model,
        stream=given.stream,
        kind=given.kind,
        headers={name.lower(): value for name, value in given.headers.items()},
        input_tokens_estimate=given.input_tokens,
        max_output_tokens=given.max_tokens,
    )
    decision = decide(stage.admission, facts, now)
    if isinstance(decision, Refuse):
        return Outcome(refusal=decision, touched=_met(stage, decision=decision))
    return _route(stage, given, resolved, decision, now)


def _identify(stage: Stage, given: Given, now: datetime) -> Caller | Refuse:
    if given.ip is not None:
        refusal = stage.admission.addresses.check(given.ip, "inference")
        if refusal is not None:
            return refusal
    keys = stage.admission.keys
    caller = keys.identify(None, now) if given.key is None else keys.by_id(given.key, now)
    if given.tags is not None and isinstance(caller, Caller):
        return replace(caller, tags=given.tags)
    return caller


def _route(stage: Stage, given: Given, resolved: Resolved, admit: Admit, now: datetime) -> Outcome:
    """Plan and claim, again for every budget that degrades."""
    budgets = set[str]()
    for _ in range(_MAX_DEGRADED):
        try:
            if admit.model != resolved.id:
                resolved = resolve(stage.index, admit.model)
            candidates = _plan(stage, given, resolved, admit, now)
        except RequestError as error:
            refusal = Refuse(error=error, decided_by="routing")
            return Outcome(refusal=refusal, touched=_met(stage, admit, resolved, budgets))
        asked, shortage = _claim(stage, given, candidates[0], admit, now)
        budgets.update(take.owner for take in asked.budgets)
        touched = _met(stage, admit, resolved, budgets)
        if shortage is None:
            route = tuple(dict.fromkeys(candidate.model for candidate in candidates))
            return Outcome(admit=admit, route=route, touched=touched)
        decision = after_shortage(stage.admission, admit, shortage, now)
        if isinstance(decision, Refuse):
            return Outcome(refusal=decision, touched=touched)
        admit = decision
    raise AssertionError("every degradation lifts a budget")


def _plan(
    stage: Stage, given: Given, resolved: Resolved, admit: Admit, now: datetime
) -> tuple[Candidate, ...]:
    facts = RouteFacts(
        input_tokens=given.input_tokens,
        output_tokens=given.max_tokens or 0,
        kind=given.kind,
        key=admit.caller.key_id,
    )
    planned = plan(resolved, facts, LiveState(), now_s=now.timestamp(), rng=Random(0))  # noqa: S311 - the same route in every run
    candidates = (*planned.candidates, *planned.resting)
    if not candidates:
        raise RequestError("unavailable", f"no target of {resolved.id!r} can be tried")
    return candidates


def _claim(
    stage: Stage, given: Given, candidate: Candidate, admit: Admit, now: datetime
) -> tuple[Claim, Shortage | None]:
    usage = Usage(input_uncached=given.input_tokens, output=given.max_tokens or 0)
    cost = cost_of(candidate, usage, now)
    asked = claim(
        stage.admission,
        admit,
        provider=candidate.provider.id,
        model=candidate.model.removeprefix(f"{candidate.provider.id}/"),
        input_tokens=given.input_tokens,
        output_tokens=given.max_tokens,
        cost_nanousd=cost[0] if cost is not None else 0,
        now=now,
    )
    for take in asked.budgets:
        used = round(given.spent.get(take.owner, 0.0) * _NANO)
        if exceeds(take, used):
            return asked, Shortage(take=take, used=used)
    return asked, None


def _met(
    stage: Stage,
    decision: Admit | Refuse | None = None,
    resolved: Resolved | None = None,
    budgets: set[str] | None = None,
) -> Touched:
    policies = set[str]()
    if isinstance(decision, Admit):
        policies.update(decided.policy for decided in decision.decided)
    elif decision is not None:
        kind, _, name = decision.decided_by.partition(":")
        policies.update((name,) if kind == "policy" else ())
    combos = _combos(resolved.node) if resolved is not None else ()
    return Touched(
        policies=frozenset(policies),
        combos=frozenset(combos),
        budgets=frozenset(budgets or ()),
    )


def _combos(node: Leaf | Branch) -> Iterator[str]:
    if isinstance(node, Branch):
        yield node.combo.id
        for child in node.children:
            yield from _combos(child.node)


def _compare(expect: Expect, outcome: Outcome) -> Iterator[str]:
    """What is not as expected, in words."""
    refusal, admit = outcome.refusal, outcome.admit
    if refusal is not None:
        who = refusal.decided_by
        where = f" ({refusal.mark})" if refusal.mark is not None else ""
        if expect.deny is False:
            yield f"expected to be admitted, refused by {who}{where}: {refusal.error.message}"
        elif expect.deny is not True and expect.deny not in (who, *who.split(":")):
            yield f"expected to be refused by {expect.deny}, was refused by {who}{where}"
        if expect.status is not UNSET and expect.status != refusal.error.status:
            yield f"expected status {expect.status}, got {refusal.error.status}"
        return
    if expect.deny is not False:
        by = "" if expect.deny is True else f" by {expect.deny}"
        yield f"expected to be refused{by}, was admitted"
        return
    if admit is None:
        return
    if expect.status is not UNSET:
        yield f"expected status {expect.status}, was admitted"
    if expect.model is not UNSET and expect.model != admit.model:
        yield f"expected model {expect.model}, got {admit.model}"
    if expect.route is not UNSET:
        route = (expect.route,) if isinstance(expect.route, str) else expect.route
        if route != outcome.route:
            yield f"expected route {_listed(route)}, got {_listed(outcome.route)}"
    if expect.set_fields is not UNSET:
        yield from _compare_fields(expect.set_fields, admit)
    if expect.limits is not UNSET:
        yield from _compare_names("limits", expect.limits, [r.owner for r in admit.limits])
    if expect.warn is not UNSET:
        yield from _compare_names("warnings", expect.warn, [w.source for w in admit.warnings])


def _compare_fields(expected: Mapping[str, Any], admit: Admit) -> Iterator[str]:
    for name, value in expected.items():
        got = admit.cache if name == CACHE_FIELD else admit.set_fields.get(hub_field(name), UNSET)
        if got != value:
            yield f"expected {name} set to {value!r}, got {'nothing' if got is UNSET else got!r}"


def _compare_names(what: str, expected: tuple[str, ...], got: list[str]) -> Iterator[str]:
    """`key:ci` may be called by its kind, `key`, or by its id."""
    missing = [name for name in expected if not any(_is_called(owner, name) for owner in got)]
    extra = [owner for owner in got if not any(_is_called(owner, name) for name in expected)]
    if missing or extra:
        yield f"expected {what} {_listed(expected)}, got {_listed(got)}"


def _is_called(owner: str, name: str) -> bool:
    return name in (owner, *owner.split(":", 1))


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names) or "none"
