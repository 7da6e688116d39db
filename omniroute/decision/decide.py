"""The decision: who asks, whether it may, where it goes. Pure; the only one there is.

    identify     who this is                                         (Caller or Refuse)
    admit        what the name stands for, and the policies          (Admitted or Refuse)
    route        the order of candidates, and what must be reserved  (Routed or Refuse)
    target       what one candidate's own budgets need on top, or which cannot count it
    degraded     what follows from that, or from a target's budget that has no room

`route` is a generator: it yields what it wants to reserve and is sent the answer, a Shortage or
None. The server answers from its store, `offline` from a picture of what was spent; the order of
the steps, the estimates and what a degraded budget leads to stand here alone.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import datetime
from typing import Final

from omniroute.admission.budget import Unpriced
from omniroute.admission.gate import (
    DEFAULT_OUTPUT_TOKENS,
    after_shortage,
    decide,
    reservation,
    target_reservation,
    unpriced,
)
from omniroute.admission.policy import context_of
from omniroute.admission.values import Admit, Refuse, RequestFacts
from omniroute.decision.values import Admitted, Inquiry, Routed, World
from omniroute.errors import RequestError
from omniroute.request.cost import cost_of
from omniroute.routing.plan import RouteFacts, plan
from omniroute.routing.resolve import resolve, resolve_for_provider
from omniroute.routing.values import Branch, Candidate, Resolved
from omniroute.state.store import NOTHING, Reservation, Shortage
from omniroute.translation.values import Usage

MAX_DEGRADED: Final = 8
"""Each degradation lifts one budget; more are a circle."""

Reserving = Generator[Reservation, Shortage | None, Routed | Refuse]


def admit(world: World, inquiry: Inquiry, now: datetime) -> Admitted | Refuse:
    """What keys and policies make of it.

    Raises RequestError for a model that does not exist, is ambiguous or another provider's.
    """
    caller = inquiry.caller
    globs = caller.key.models if caller.key is not None else ()
    try:
        resolved = _resolve(world, inquiry, globs)
    except RequestError as error:
        if error.kind != "permission":
            raise
        mark = world.admission.positions.get(("keys", caller.key_id or ""))
        return Refuse(error=error, decided_by=f"key:{caller.key_id}", mark=mark)
    facts = _facts(world, inquiry, resolved)
    decision = decide(world.admission, facts, now)
    if isinstance(decision, Refuse):
        return decision
    return Admitted(inquiry=inquiry, admit=decision, resolved=resolved, facts=facts)


def route(
    world: World,
    admitted: Admitted,
    *,
    now: datetime,
    now_s: float,
    after: Admit | None = None,
) -> Reserving:
    """The candidates, once everything that does not depend on one of them is reserved.

    `now` is what policies, prices and periods count on, `now_s` what breakers and sessions do.
    `after` is the decision to go on with when a target's budget has degraded the request. Raises
    RequestError when no target can ever serve it.
    """
    admit, resolved = after or admitted.admit, admitted.resolved
    for _ in range(MAX_DEGRADED):
        if admit.model != resolved.id:
            resolved = resolve(world.index, admit.model)
        planned = plan(
            resolved,
            _route_facts(world, admitted, resolved, now),
            world.live,
            now_s=now_s,
            rng=world.rng,
        )
        wanted = _reservation(world, admitted, admit, (*planned.candidates, *planned.resting), now)
        shortage = None
        if wanted is not NOTHING:
            shortage = yield wanted
        if shortage is None:
            return Routed(admitted=admitted, admit=admit, plan=planned)
        decision = after_shortage(world.admission, admit, shortage, now)
        if isinstance(decision, Refuse):
            return decision
        admit = decision
    raise RequestError("budget", "every budget's way out leads to another used-up budget")


def target(
    world: World, routed: Routed, candidate: Candidate, now: datetime
) -> Reservation | Unpriced:
    """What the budgets of the candidate's provider and model need; the budget that would have to
    count it and cannot, where nobody knows what it costs."""
    if not world.admission.book:
        return NOTHING
    provider = candidate.provider.id
    model = candidate.model.removeprefix(f"{provider}/")
    cost_nanousd = estimate(routed.admitted, candidate, now)
    if cost_nanousd is None:
        lack = unpriced(world.admission, routed.admit, provider=provider, model=model)
        if lack is not None:
            return lack
    return target_reservation(
        world.admission,
        routed.admit,
        provider=provider,
        model=model,
        cost_nanousd=cost_nanousd or 0,
        now=now,
    )


def degraded(
    world: World, routed: Routed, shortage: Shortage | Unpriced, now: datetime
) -> Admit | Refuse:
    """A target's budget has no room: where it sends the request instead, or its refusal."""
    return after_shortage(world.admission, routed.admit, shortage, now)


def estimate(admitted: Admitted, candidate: Candidate, now: datetime) -> int | None:
    """What an answer of the candidate may cost in nano-dollars; None where no price is known."""
    facts = admitted.facts
    usage = Usage(
        input_uncached=facts.input_tokens_estimate,
        output=_output_tokens(facts),
        units=facts.units,
    )
    cost = cost_of(candidate, usage, now)
    return None if cost is None else cost[0]


def _output_tokens(facts: RequestFacts) -> int:
    if facts.kind != "chat":
        return 0
    bound = facts.max_output_tokens
    return DEFAULT_OUTPUT_TOKENS if bound is None else bound


def _resolve(world: World, inquiry: Inquiry, globs: tuple[str, ...]) -> Resolved:
    """What the name stands for, if the caller's key may use it."""
    if not inquiry.model:
        raise RequestError(
            "invalid_request", "the request names no model", param="model", code="model_missing"
        )
    if inquiry.provider is not None:
        return resolve_for_provider(world.index, inquiry.provider, inquiry.model, globs)
    return resolve(world.index, inquiry.model, globs)


def _facts(world: World, inquiry: Inquiry, resolved: Resolved) -> RequestFacts:
    admission = world.admission
    seen = admission.policies or admission.book or isinstance(resolved.node, Branch)
    counts = _asks_for_tokens(world, inquiry, resolved)
    return RequestFacts(
        caller=inquiry.caller,
        ip=inquiry.ip,
        path=inquiry.path,
        format=inquiry.format,
        model=resolved.id,
        requested=resolved.requested,
        stream=inquiry.stream,
        kind=inquiry.kind,
        headers=_shown(inquiry.headers, world.hidden) if seen else {},
        input_tokens_estimate=inquiry.count_tokens() if counts else 0,
        max_output_tokens=inquiry.max_output_tokens,
        units=inquiry.units,
    )


def _asks_for_tokens(world: World, inquiry: Inquiry, resolved: Resolved) -> bool:
    """Whether anything depends on the input's size: an estimate of a long one takes a while."""
    admission, key, node = world.admission, inquiry.caller.key, resolved.node
    if admission.policies or admission.book.meters or admission.thinking.mode == "adaptive":
        return True
    if key is not None and key.rate_limit.tokens is not None:
        return True
    if isinstance(node, Branch):
        return True
    size = inquiry.size_bytes
    return any(one.window is not None and size > one.window for one in node.candidates)


def _shown(headers: Mapping[str, str], hidden: frozenset[str]) -> dict[str, str]:
    """The headers that expressions may read, by lower-case name: none that carries a credential."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower not in hidden:
            found.setdefault(lower, value)
    return found


def _route_facts(world: World, admitted: Admitted, resolved: Resolved, now: datetime) -> RouteFacts:
    inquiry, facts = admitted.inquiry, admitted.facts
    document: Mapping[str, object] = {}
    if isinstance(resolved.node, Branch):
        document = context_of(facts, resolved.id, now)
    return RouteFacts(
        input_tokens=facts.input_tokens_estimate,
        output_tokens=_output_tokens(facts),
        needs=inquiry.needs,
        kind=inquiry.kind,
        formats=world.reached.get((inquiry.format, inquiry.kind)),
        session=inquiry.session,
        opening=inquiry.opening,
        key=inquiry.caller.key_id,
        document=document,
    )


def _reservation(
    world: World, admitted: Admitted, admit: Admit, planned: tuple[Candidate, ...], now: datetime
) -> Reservation:
    """What depends on the caller alone; held at the dearest candidate's estimate, since a fallback
    may go there."""
    book = world.admission.book
    if not book and not admit.limits:
        return NOTHING
    facts = admitted.facts
    cost_nanousd = 0
    if book:
        cost_nanousd = max((estimate(admitted, one, now) or 0 for one in planned), default=0)
    return reservation(
        world.admission,
        admit,
        input_tokens=facts.input_tokens_estimate,
        output_tokens=_output_tokens(facts),
        cost_nanousd=cost_nanousd,
        now=now,
    )
