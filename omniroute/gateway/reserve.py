"""Plan a request and hold what it may cost; put what it used in its place when it has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from omniroute.admission.gate import DEFAULT_OUTPUT_TOKENS, after_shortage
from omniroute.admission.policy import context_of
from omniroute.admission.values import Admit, Refuse
from omniroute.errors import RequestError
from omniroute.gateway.reservations import Claims
from omniroute.gateway.understand import Understood
from omniroute.request.cost import cost_of
from omniroute.request.inflight import InFlight
from omniroute.routing.attempts import Attempts
from omniroute.routing.plan import RouteFacts, plan
from omniroute.routing.resolve import resolve
from omniroute.routing.values import Branch, Candidate, Resolved
from omniroute.translation.values import Failure, Usage

MAX_DEGRADED: Final = 8
"""Each degradation lifts one budget; more are a circle."""


_NEEDS: Final[Mapping[tuple[bool, bool], frozenset[str]]] = {
    (False, False): frozenset(),
    (True, False): frozenset({"tools"}),
    (False, True): frozenset({"vision"}),
    (True, True): frozenset({"tools", "vision"}),
}
"""Capabilities that a request with tools, with images depends on."""


class Reserved(Struct, frozen=True, kw_only=True):
    """What may be tried, in order, under which decision. Close `attempts`, however it ends."""

    attempts: Attempts
    admit: Admit


class ReroutedError(Exception):
    """A target's budget is used up and says where to go instead."""

    def __init__(self, admit: Admit) -> None:
        super().__init__(admit.model)
        self.admit = admit


async def reserve(
    flight: InFlight, understood: Understood, admit: Admit, claims: Claims | None
) -> Reserved:
    """Plan, and take what limits and budgets ask for; a degraded budget plans again.

    Raises RequestError when there is no room and no other way.
    """
    resolved = understood.resolved
    for _ in range(MAX_DEGRADED):
        if admit.model != resolved.id:
            resolved = resolve(flight.snapshot.index, admit.model)
        attempts = _plan(flight, understood, resolved)
        if claims is None:
            return Reserved(attempts=attempts, admit=admit)
        # The dearest one's estimate, since a fallback may go there.
        planned = (*attempts.plan.candidates, *attempts.plan.resting)
        cost_nanousd = max((_estimate(flight, understood, one) for one in planned), default=0)
        shortage = await claims.take(
            admit,
            input_tokens=understood.input_tokens,
            output_tokens=understood.facts.max_output_tokens,
            cost_nanousd=cost_nanousd,
        )
        if shortage is None:
            return Reserved(attempts=attempts, admit=admit)
        attempts.close(flight.now_s())
        now = flight.services.clock.now()
        decision = after_shortage(flight.snapshot.admission, admit, shortage, now)
        if isinstance(decision, Refuse):
            raise flight.refused(decision)
        admit = decision
        flight.trace.decided_by = decision.routed_by
    raise RequestError("budget", "every budget's way out leads to another used-up budget")


async def reserve_target(
    flight: InFlight, understood: Understood, admit: Admit, candidate: Candidate, claims: Claims
) -> Failure | None:
    """A Failure when the budget of this target has no room; None to go on.

    Raises ReroutedError when that budget says where to go instead.
    """
    shortage = await claims.take_target(
        admit,
        provider=candidate.provider.id,
        model=candidate.model.removeprefix(f"{candidate.provider.id}/"),
        cost_nanousd=_estimate(flight, understood, candidate),
    )
    if shortage is None:
        return None
    now = flight.services.clock.now()
    decision = after_shortage(flight.snapshot.admission, admit, shortage, now)
    if isinstance(decision, Refuse):
        error = flight.refused(decision)
        return Failure(kind=error.kind, status=error.status, message=error.message)
    flight.trace.decided_by = decision.routed_by
    raise ReroutedError(decision)


async def settle(flight: InFlight, claims: Claims) -> None:
    """Replace the estimates by what was used. A broken answer's cost is unknown."""
    trace = flight.trace
    usage = trace.usage
    known = [usage.input_uncached, usage.cache_read, usage.cache_write, usage.output]
    tokens = None if usage.output is None else sum(count or 0 for count in known)
    reached = trace.first_byte_ms is not None or trace.error_class == "client_closed"
    events = await claims.settle(
        tokens=tokens if reached else 0, cost_nanousd=trace.cost_nanousd if reached else 0
    )
    for event in events:
        flight.services.notify(event)


def _plan(flight: InFlight, understood: Understood, resolved: Resolved) -> Attempts:
    now_s = flight.now_s()
    asked, facts = understood.asked, understood.facts
    document: Mapping[str, object] = {}
    if isinstance(resolved.node, Branch):
        document = context_of(asked, resolved.id, flight.trace.started)
    route = RouteFacts(
        input_tokens=understood.input_tokens,
        output_tokens=facts.max_output_tokens or 0,
        needs=_NEEDS[facts.tools, facts.images],
        kind=flight.inbound.kind,
        session=flight.trace.session,
        key=asked.caller.key_id,
        document=document,
    )
    live, rng = flight.services.live, flight.services.rng
    planned = plan(resolved, route, live, now_s=now_s, rng=rng)
    return Attempts(planned, live, now_s=now_s, deadline_s=flight.deadline, rng=rng)


def _estimate(flight: InFlight, understood: Understood, candidate: Candidate) -> int:
    """What an answer may cost, before anybody knows; 0 where no price is known."""
    if not flight.snapshot.admission.book:
        return 0
    output = understood.facts.max_output_tokens
    usage = Usage(
        input_uncached=understood.input_tokens,
        output=DEFAULT_OUTPUT_TOKENS if output is None else output,
    )
    cost = cost_of(candidate, usage, flight.trace.started)
    return 0 if cost is None else cost[0]
