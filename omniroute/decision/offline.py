"""A decision on paper: nothing is sent and no store is asked, spend is given.

What `omniroute test` and `omniroute route` show, by the same steps as a served request: every
connection counts as healthy and unused, unless the world's live view says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from omniroute.admission.budget import Unpriced
from omniroute.admission.values import Admit, Refuse
from omniroute.decision.decide import Reserving, admit, degraded, route, target
from omniroute.decision.values import Admitted, Inquiry, Routed, World
from omniroute.errors import RequestError
from omniroute.routing.attempts import Attempts, GiveUp, Try, Wait
from omniroute.routing.live import LiveState
from omniroute.routing.plan import Excluded, Plan, describe
from omniroute.routing.retry import refusal_of
from omniroute.routing.values import Candidate
from omniroute.state.store import Reservation, Shortage, exceeds

_FOREVER_S = 1e9


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of a request, with what it met on its way. `routed` may be there beside a
    refusal: then the candidates' own budgets have no room."""

    refusal: Refuse | None = None
    admitted: Admitted | None = None
    routed: Routed | None = None
    candidates: tuple[Candidate, ...] = ()
    """In the order in which they would be asked. Those that a budget does not let through are left
    out here, and stand among what `routed` excludes."""
    budgets: frozenset[str] = frozenset()
    """Ids of all that were asked for room."""


def decide_offline(
    world: World, inquiry: Inquiry, now: datetime, *, spent: Mapping[str, int] | None = None
) -> Outcome:
    """`spent` is nano-dollars by budget."""
    return _Paper(world, now, spent or {}).decide(inquiry)


class _Paper:
    """One decision, and the budgets that it met."""

    def __init__(self, world: World, now: datetime, spent: Mapping[str, int]) -> None:
        self._world = world
        self._now = now
        self._spent = spent
        self._budgets: set[str] = set()

    def decide(self, inquiry: Inquiry) -> Outcome:
        try:
            admitted = admit(self._world, inquiry, self._now)
        except RequestError as error:
            return Outcome(refusal=Refuse(error=error, decided_by="model"))
        if isinstance(admitted, Refuse):
            return Outcome(refusal=admitted)
        after: Admit | None = None
        while True:  # each turn lifts one budget, so it ends with the budgets
            try:
                routed = self._run(
                    route(self._world, admitted, now=self._now, now_s=0.0, after=after)
                )
            except RequestError as error:
                return self._refused(Refuse(error=error, decided_by="routing"), admitted)
            if isinstance(routed, Refuse):
                return self._refused(routed, admitted)
            asked = self._first(routed)
            match asked:
                case Admit():
                    after = asked
                case Refuse():
                    return self._refused(asked, admitted, routed)
                case _:
                    plan = asked.plan
                    return Outcome(
                        admitted=admitted,
                        routed=asked,
                        candidates=(*plan.candidates, *plan.resting),
                        budgets=frozenset(self._budgets),
                    )

    def _refused(
        self, refusal: Refuse, admitted: Admitted, routed: Routed | None = None
    ) -> Outcome:
        return Outcome(
            refusal=refusal, admitted=admitted, routed=routed, budgets=frozenset(self._budgets)
        )

    def _run(self, steps: Reserving) -> Routed | Refuse:
        try:
            wanted = next(steps)
            while True:
                wanted = steps.send(self._take(wanted))
        except StopIteration as end:
            result: Routed | Refuse = end.value
            return result

    def _first(self, routed: Routed) -> Routed | Admit | Refuse:
        """The way from the first candidate that would be asked on; an Admit to route again."""
        now_s = 0.0
        plan = routed.plan
        attempts = Attempts(
            plan, LiveState(), now_s=now_s, deadline_s=now_s + _FOREVER_S, rng=self._world.rng
        )
        passed: dict[str, Excluded] = {}
        refusal: Refuse | None = None
        while True:
            match attempts.next(now_s):
                case Try(candidate):
                    wanted = target(self._world, routed, candidate, self._now)
                    shortage = wanted if isinstance(wanted, Unpriced) else self._take(wanted)
                    if shortage is None:
                        return replace(routed, plan=_without(plan, passed))
                    decision = degraded(self._world, routed, shortage, self._now)
                    if isinstance(decision, Admit):
                        return decision
                    refusal = decision
                    passed[candidate.key] = Excluded(
                        target=describe(candidate),
                        reason=decision.error.message,
                        mark=decision.mark,
                        candidate=candidate,
                    )
                    attempts.refused(refusal_of(decision.error), now_s)
                case Wait(seconds):
                    now_s += seconds
                case GiveUp(error):
                    by = "routing" if refusal is None else refusal.decided_by
                    mark = None if refusal is None else refusal.mark
                    return Refuse(error=error, decided_by=by, mark=mark)

    def _take(self, wanted: Reservation) -> Shortage | None:
        self._budgets.update(take.owner for take in wanted.budgets)
        for take in wanted.budgets:
            used = self._spent.get(take.owner, 0)
            if exceeds(take, used):
                return Shortage(take=take, used=used)
        return None


def _without(plan: Plan, passed: Mapping[str, Excluded]) -> Plan:
    """The plan as it is left when some of its candidates were passed over."""
    if not passed:
        return plan
    return replace(
        plan,
        candidates=tuple(one for one in plan.candidates if one.key not in passed),
        resting=tuple(one for one in plan.resting if one.key not in passed),
        excluded=(*plan.excluded, *passed.values()),
    )
