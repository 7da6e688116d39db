"""The configuration's own tests: a request on paper, through the same decisions as a real one.

Nothing is sent and no secret is looked up: keys are named by their id, spend is given, and every
connection counts as healthy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from random import Random
from typing import Any

from msgspec import UNSET, Struct
from msgspec.structs import replace

from omniroute.admission.gate import compile_admission, identify_as
from omniroute.admission.policy import CACHE_FIELD
from omniroute.admission.values import Admit, Refuse
from omniroute.base.units import NANO
from omniroute.config.model import Config, ConfigTest, Expect, Given
from omniroute.decision.offline import Outcome, decide_offline
from omniroute.decision.values import Inquiry, World
from omniroute.routing.index import compile_index
from omniroute.routing.live import LiveState
from omniroute.routing.values import Branch, Leaf
from omniroute.translation.hub import hub_field
from omniroute.translation.values import DEFAULT_FORMAT


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
        self._admission = compile_admission(config)
        self._index = compile_index(config, {})

    def world(self, seed: int = 0) -> World:
        """A world in which nothing has happened yet; draws are the same for the same seed."""
        return World(
            admission=self._admission,
            index=self._index,
            live=LiveState(),
            rng=Random(seed),  # noqa: S311 - the same route in every run
        )


def run_test(stage: Stage, test: ConfigTest, now: datetime) -> Result:
    """`now` is the instant of tests that name none."""
    outcome = rehearse(stage, test.given, now)
    return Result(test=test, wrong=tuple(_compare(test.expect, outcome)), outcome=outcome)


def coverage_of(config: Config, results: tuple[Result, ...]) -> tuple[Coverage, ...]:
    outcomes = [result.outcome for result in results]
    sections = (
        ("policies", [p.id for p in config.policies], [_policies(o) for o in outcomes]),
        ("combos", list(config.combos), [_combos(o) for o in outcomes]),
        ("budgets", list(config.budgets), [o.budgets for o in outcomes]),
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


def rehearse(stage: Stage, given: Given, now: datetime, *, seed: int = 0) -> Outcome:
    """What would become of the request."""
    if given.at is not None:
        now = datetime.fromisoformat(given.at)
    world = stage.world(seed)
    caller = identify_as(world.admission, given.key, ip=given.ip, now=now)
    if isinstance(caller, Refuse):
        return Outcome(refusal=caller)
    if given.tags is not None:
        caller = replace(caller, tags=given.tags)
    needs = {"tools": given.tools, "vision": given.vision}
    inquiry = Inquiry(
        caller=caller,
        model=given.model,
        provider=given.provider,
        ip=given.ip or "127.0.0.1",
        path=given.path,
        format=given.format or DEFAULT_FORMAT,
        kind=given.kind,
        stream=given.stream,
        headers={name.lower(): value for name, value in given.headers.items()},
        session=given.session,
        needs=frozenset(name for name, needed in needs.items() if needed),
        max_output_tokens=given.max_tokens,
        size_bytes=given.input_tokens,
        count_tokens=lambda: given.input_tokens,
    )
    spent = {budget: round(dollars * NANO) for budget, dollars in given.spent.items()}
    return decide_offline(world, inquiry, now, spent=spent)


def _policies(outcome: Outcome) -> frozenset[str]:
    if outcome.admitted is not None:
        return frozenset(decided.policy for decided in outcome.admitted.admit.decided)
    kind, _, name = outcome.refusal.decided_by.partition(":") if outcome.refusal else ("", "", "")
    return frozenset((name,) if kind == "policy" else ())


def _combos(outcome: Outcome) -> frozenset[str]:
    nodes: list[Leaf | Branch] = []
    if outcome.admitted is not None:
        nodes.append(outcome.admitted.resolved.node)
    if outcome.routed is not None:
        nodes.append(outcome.routed.plan.resolved.node)
    return frozenset(name for node in nodes for name in _below(node))


def _below(node: Leaf | Branch) -> Iterator[str]:
    if isinstance(node, Branch):
        yield node.combo.id
        for child in node.children:
            yield from _below(child.node)


def _compare(expect: Expect, outcome: Outcome) -> Iterator[str]:
    """What is not as expected, in words."""
    refusal = outcome.refusal
    admit = outcome.routed.admit if outcome.routed is not None else None
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
        got = tuple(dict.fromkeys(candidate.model for candidate in outcome.candidates))
        if route != got:
            yield f"expected route {_listed(route)}, got {_listed(got)}"
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
