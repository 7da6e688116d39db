"""The gate: the order of the steps from an unknown caller to a request that may be routed.

    identify      address rules, then the key             before the body is read
    decide        role, policies                          when the model's name is resolved
    reservation         windows, slots and the caller's budgets when the targets are planned
    unpriced            the budget that a target without a price would escape
    target_reservation  the budgets of one target               before it is asked
    (store.take)  all of it at once, or a Shortage
    after_shortage  the refusal, or the way a degraded budget leaves open
    (store.settle)  what was really used

Everything here is a pure function of the plan, which is compiled once per snapshot. Only `take` and
`settle` touch the store, and both are the caller's to await.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from omniroute.admission.budget import (
    BudgetBook,
    Meter,
    Unpriced,
    refuse_budget,
    refuse_unpriced,
)
from omniroute.admission.forwarded import compile_trusted
from omniroute.admission.ipfilter import IpRules, NetworkMap
from omniroute.admission.keys import KeyIndex, authorize, compile_keys
from omniroute.admission.limits import key_limit, refuse_limit, slot_takes, window_takes
from omniroute.admission.policy import CompiledPolicy, compile_policy, decide_policies
from omniroute.admission.settings import prompt_fields, thinking_fields
from omniroute.admission.values import (
    Admit,
    Caller,
    Decision,
    LimitRule,
    Refuse,
    RequestFacts,
    Surface,
    Warned,
)
from omniroute.config.model import Config, Mark, ThinkingBudget
from omniroute.errors import RequestError
from omniroute.state.store import NOTHING, BudgetTake, Reservation, Shortage

DEFAULT_OUTPUT_TOKENS = 1024  # reserved for an answer that the client did not bound


class AdmissionPlan(Struct, frozen=True, kw_only=True):
    """Everything that admission knows of one snapshot."""

    keys: KeyIndex
    addresses: IpRules
    trusted: NetworkMap[bool]
    """For `forwarded.client_ip`."""
    policies: tuple[CompiledPolicy, ...]
    book: BudgetBook
    set_fields: Mapping[str, Any]
    """What the settings set in every request alike."""
    thinking: ThinkingBudget
    limits: Mapping[str, LimitRule]
    """Of keys, by id."""
    positions: Mapping[tuple[str | int, ...], Mark]


def compile_admission(config: Config) -> AdmissionPlan:
    """Raises ExpressionError for a policy that does not compile; `check` has named its place."""
    positions = config.positions
    return AdmissionPlan(
        keys=compile_keys(config),
        addresses=IpRules(config.ip_filter, positions),
        trusted=compile_trusted(config.server.trusted_proxies),
        policies=tuple(
            compile_policy(policy, positions.get(("policies", index)))
            for index, policy in enumerate(config.policies)
        ),
        book=BudgetBook(config.budgets, positions),
        set_fields=prompt_fields(config.settings.system_prompt),
        thinking=config.settings.thinking_budget,
        limits={
            key.id: rule
            for key in config.keys.values()
            if (rule := key_limit(key, positions.get(("keys", key.id)))) is not None
        },
        positions=positions,
    )


def identify(
    plan: AdmissionPlan, presented: str | None, *, ip: str, surface: Surface, now: datetime
) -> Caller | Refuse:
    """Who this is. Strangers from refused addresses do not even learn whether a key is valid."""
    refusal = plan.addresses.check(ip, surface)
    return refusal or plan.keys.identify(presented, now, surface=surface)


def identify_as(
    plan: AdmissionPlan, key_id: str | None, *, ip: str | None, now: datetime
) -> Caller | Refuse:
    """The same for a key that is named by its id, where none is presented: tests, explanations.

    Without an address, the address rules have no say. Raises KeyError for an id that no key has.
    """
    refusal = None if ip is None else plan.addresses.check(ip, "inference")
    if refusal is not None:
        return refusal
    return plan.keys.identify(None, now) if key_id is None else plan.keys.by_id(key_id, now)


def decide(plan: AdmissionPlan, facts: RequestFacts, now: datetime) -> Decision:
    """Whether the caller may ask this, and what the policies make of it."""
    caller = facts.caller
    refusal = authorize(caller, "inference")
    if refusal is not None:
        return refusal
    own = plan.limits.get(caller.key_id) if caller.key_id is not None else None
    admit = Admit(
        caller=caller,
        model=facts.model,
        # System prompts and thinking are a chat's.
        set_fields={**plan.set_fields, **thinking_fields(plan.thinking, facts)}
        if facts.kind == "chat"
        else {},
        limits=(own,) if own is not None else (),
    )
    return decide_policies(plan.policies, admit, facts=facts, now=now)


def reservation(
    plan: AdmissionPlan,
    admit: Admit,
    *,
    input_tokens: int,
    output_tokens: int | None,
    cost_nanousd: int,
    now: datetime,
) -> Reservation:
    """What the request needs wherever it goes, to be taken in one step.

    `output_tokens` is the client's own bound; `cost_nanousd` the estimate at that target's price, 0
    where no price is known: `unpriced` judges that when it is the target's turn.
    """
    output = DEFAULT_OUTPUT_TOKENS if output_tokens is None else output_tokens
    book = plan.book
    meters = book.of_caller(admit.caller) if book else []
    if not meters and not admit.limits:
        return NOTHING
    return Reservation(
        windows=window_takes(admit.limits, input_tokens=input_tokens, output_tokens=output),
        slots=slot_takes(admit.limits),
        budgets=_budget_takes(meters, admit, cost_nanousd, now),
    )


def _budget_takes(
    meters: list[Meter], admit: Admit, cost_nanousd: int, now: datetime
) -> tuple[BudgetTake, ...]:
    now_s = now.timestamp()
    return tuple([meter.take(cost_nanousd, now, now_s, admit.lifted) for meter in meters])


def unpriced(plan: AdmissionPlan, admit: Admit, *, provider: str, model: str) -> Unpriced | None:
    """The first budget that does not let a target pass whose cost nobody can tell."""
    book = plan.book
    for meter in (*book.of_caller(admit.caller), *book.of_target(provider, model)):
        if meter.budget.unpriced == "reject" and meter.holds(admit.lifted):
            return Unpriced(budget=meter.budget.id, provider=provider, model=model)
    return None


def target_reservation(
    plan: AdmissionPlan,
    admit: Admit,
    *,
    provider: str,
    model: str,
    cost_nanousd: int,
    now: datetime,
) -> Reservation:
    """What an attempt needs on top: the budgets of its own provider and model.

    Settle the earlier target's reservation first, or both would be reserved.
    """
    meters = plan.book.of_target(provider, model)
    if not meters:
        return NOTHING
    return Reservation(budgets=_budget_takes(meters, admit, cost_nanousd, now))


def after_shortage(
    plan: AdmissionPlan, admit: Admit, shortage: Shortage | Unpriced, now: datetime
) -> Decision:
    """The refusal; or, for a budget that degrades, the request to plan and reserve again."""
    if isinstance(shortage, Unpriced):
        meter = plan.book.meters[shortage.budget]
        why = f"cannot count {shortage.provider}/{shortage.model}"
        return _degraded(meter, admit, why) or refuse_unpriced(meter, shortage)
    take = shortage.take
    if not isinstance(take, BudgetTake):
        rule = next((rule for rule in admit.limits if rule.owner == take.owner), None)
        return refuse_limit(shortage, rule.mark if rule is not None else None)
    meter = plan.book.meters[take.owner]
    if shortage.away:
        return Refuse(
            error=RequestError(
                "unavailable",
                f"budget {meter.budget.id!r} cannot be checked now: the shared store is away",
                code="state_unavailable",
                retry_after_s=1.0,
            ),
            decided_by=f"budget:{meter.budget.id}",
            mark=meter.mark,
        )
    return _degraded(meter, admit, "is used up") or refuse_budget(meter, take, shortage.used, now)


def _degraded(meter: Meter, admit: Admit, why: str) -> Admit | None:
    """The request on its way to where the budget sends it; None where it sends it nowhere."""
    budget = meter.budget
    if budget.action != "degrade" or budget.degrade_to is None:
        return None
    source = f"budget:{budget.id}"
    told = Warned(source, f"budget {budget.id!r} {why}; answered by {budget.degrade_to}")
    return replace(
        admit,
        model=budget.degrade_to,
        routed_by=source,
        lifted=admit.lifted | {budget.id},
        warnings=(*admit.warnings, told),
    )
