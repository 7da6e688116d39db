"""Hold what a request may cost while it runs, and put what it used in its place when it has ended.

What to hold and what follows when there is no room is decided in `decision`; here the store is
asked.
"""

from __future__ import annotations

from omniroute.admission.budget import Unpriced
from omniroute.admission.values import Admit, Refuse
from omniroute.decision import decide
from omniroute.decision.values import Admitted, Routed, World
from omniroute.gateway.reservations import Reservations
from omniroute.request.request import Request
from omniroute.routing.attempts import Attempts
from omniroute.routing.retry import refusal_of
from omniroute.routing.values import Candidate
from omniroute.state.store import Reservation, Shortage
from omniroute.translation.values import Failure


class ReroutedError(Exception):
    """A target's budget is used up and says where to go instead."""

    def __init__(self, admit: Admit) -> None:
        super().__init__(admit.model)
        self.admit = admit


async def reserve(
    request: Request,
    world: World,
    admitted: Admitted,
    reservations: Reservations | None,
    *,
    after: Admit | None = None,
) -> tuple[Routed, Attempts]:
    """Plan, and take what limits and budgets ask for; a degraded budget plans again.

    What may be tried, in order, is in the attempts: close them, however it ends. Raises
    RequestError when there is no room and no other way.
    """
    services = request.services
    now, now_s = services.clock.now(), request.now_s()
    steps = decide.route(world, admitted, now=now, now_s=now_s, after=after)
    answer: Shortage | None = None
    try:
        wanted: Reservation = next(steps)
        while True:
            if reservations is not None:
                answer = await reservations.take(wanted)
            wanted = steps.send(answer)
    except StopIteration as end:
        routed: Routed | Refuse = end.value
    if isinstance(routed, Refuse):
        raise request.refused(routed)
    if routed.admit.routed_by is not None:
        request.record.decided_by = routed.admit.routed_by
    now_s = request.now_s()
    attempts = Attempts(
        routed.plan, services.live, now_s=now_s, deadline_s=request.deadline, rng=services.rng
    )
    return routed, attempts


async def reserve_target(
    request: Request,
    world: World,
    routed: Routed,
    candidate: Candidate,
    reservations: Reservations,
) -> Failure | None:
    """A Failure when a budget has no room for this target, or cannot count it; None to go on.

    Raises ReroutedError when that budget says where to go instead.
    """
    if reservations.holds(candidate.model):
        return None
    now = request.services.clock.now()
    wanted = decide.target(world, routed, candidate, now)
    shortage: Shortage | Unpriced | None = (
        wanted
        if isinstance(wanted, Unpriced)
        else await reservations.take_target(candidate.model, wanted)
    )
    if shortage is None:
        return None
    decision = decide.degraded(world, routed, shortage, now)
    if isinstance(decision, Refuse):
        return refusal_of(request.refused(decision))
    raise ReroutedError(decision)


async def settle(request: Request, reservations: Reservations) -> None:
    """Replace what was held by what was used; it stays where nothing is known of an answer."""
    record, usage = request.record, request.usage
    known = [usage.input_uncached, usage.cache_read, usage.cache_write, usage.output]
    tokens = None if usage.output is None else sum(count or 0 for count in known)
    reached = record.first_byte_ms is not None or record.error_class == "client_closed"
    events = await reservations.settle(
        tokens=tokens if reached else 0, cost_nanousd=record.cost_nanousd if reached else 0
    )
    for event in events:
        request.services.notify(event)
