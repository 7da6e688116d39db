"""Ordered policies: each sees the request as the earlier ones left it; the first deny ends it.

`when` decides whether a rule takes part; without it the rule always does. A rule whose expression
fails on a request refuses it: a rule that cannot be read must not become a rule that is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, assert_never

from msgspec import Struct
from msgspec.structs import replace

from omniroute.admission.limits import policy_limit
from omniroute.admission.values import (
    Admit,
    Decided,
    Decision,
    Refuse,
    RequestFacts,
    Warned,
)
from omniroute.config.model import Mark, Policy
from omniroute.errors import ExpressionError, RequestError
from omniroute.expr.compile import compile_expression
from omniroute.translation.hub import hub_field

Evaluate = Callable[[Any], Any]

CACHE_FIELD: Final = "cache"
"""A `set` of this name is no field of the hub: it opts an answer in to the cache, or out of it."""


class CompiledPolicy(Struct, frozen=True, kw_only=True):
    """A policy with its expressions compiled; `source` keeps its text for messages."""

    source: Policy
    mark: Mark | None
    when: Evaluate | None
    require: Evaluate | None
    literals: Mapping[str, Any]
    computed: tuple[tuple[str, Evaluate], ...]


def compile_policy(policy: Policy, mark: Mark | None) -> CompiledPolicy:
    """Raises ExpressionError; lint has named the place before."""
    values = {hub_field(name): value for name, value in policy.values.items()}
    return CompiledPolicy(
        source=policy,
        mark=mark,
        when=compile_expression(policy.when) if policy.when is not None else None,
        require=compile_expression(policy.require) if policy.require is not None else None,
        literals={name: value for name, value in values.items() if not isinstance(value, str)},
        computed=tuple(
            (name, compile_expression(value))
            for name, value in values.items()
            if isinstance(value, str)
        ),
    )


def is_true(value: object) -> bool:
    """JMESPath's own idea of truth: null, false and everything empty are false, zero is true."""
    return bool(value) or (value == 0 and value is not False)


def context_of(facts: RequestFacts, model: str, now: datetime) -> dict[str, Any]:
    """The document that expressions see. `now` is UTC; weekday 1 is Monday, 7 is Sunday."""
    return {
        "key": facts.caller.key_id,
        "tags": facts.caller.tags,
        "client": {"ip": facts.ip},
        "request": {
            "path": facts.path,
            "format": facts.format,
            "model": model,
            "requested": facts.requested or facts.model,
            "stream": facts.stream,
            "kind": facts.kind,
            "headers": facts.headers,
            "max_output_tokens": facts.max_output_tokens,
        },
        "now": {
            "year": now.year,
            "month": now.month,
            "day": now.day,
            "hour": now.hour,
            "minute": now.minute,
            "weekday": now.isoweekday(),
            "date": now.isoformat()[:10],
        },
        "usage": {"input_tokens_estimate": facts.input_tokens_estimate},
    }


def decide_policies(
    policies: tuple[CompiledPolicy, ...], admit: Admit, *, facts: RequestFacts, now: datetime
) -> Decision:
    """`admit` changed by every policy that takes part, or the refusal of the first that denies."""
    if not policies:
        return admit
    context = context_of(facts, admit.model, now)
    model, routed_by, cache = admit.model, admit.routed_by, admit.cache
    set_fields = dict(admit.set_fields)
    warnings, limits, decided = list(admit.warnings), list(admit.limits), list(admit.decided)
    for policy in policies:
        source = policy.source
        try:
            if policy.when is not None:
                holds = policy.when(context)
                # Nearly every rule ends here, so the usual answers are told apart first.
                if holds is False or holds is None or not is_true(holds):
                    continue
            match source.action:
                case "deny":
                    return _refusal(policy, source.message or f"denied by policy {source.id!r}")
                case "require":
                    if policy.require is not None and not is_true(policy.require(context)):
                        return _refusal(
                            policy, source.message or f"policy {source.id!r} is not satisfied"
                        )
                case "route":
                    if source.to is not None:
                        model, routed_by = source.to, f"policy:{source.id}"
                        context["request"]["model"] = model
                case "set":
                    changes = dict(policy.literals)
                    for name, evaluate in policy.computed:
                        value = evaluate(context)
                        if value is not None:
                            changes[name] = value
                    if CACHE_FIELD in changes:
                        cache = is_true(changes.pop(CACHE_FIELD))
                    set_fields.update(changes)
                case "limit":
                    rule = policy_limit(source, facts, policy.mark)
                    if rule is not None:
                        limits.append(rule)
                case "warn":
                    text = source.message or f"policy {source.id!r} applies"
                    warnings.append(Warned(f"policy:{source.id}", text))
                case _:
                    assert_never(source.action)
        except ExpressionError as error:
            return _refusal(
                policy,
                f"policy {source.id!r} could not be evaluated",
                code="policy_error",
                detail=str(error),
            )
        decided.append(Decided(source.id, source.action, policy.mark))
    return replace(
        admit,
        model=model,
        routed_by=routed_by,
        cache=cache,
        set_fields=set_fields,
        warnings=tuple(warnings),
        limits=tuple(limits),
        decided=tuple(decided),
    )


def _refusal(
    policy: CompiledPolicy, message: str, *, code: str = "policy_denied", detail: str | None = None
) -> Refuse:
    return Refuse(
        error=RequestError("permission", message, code=code),
        decided_by=f"policy:{policy.source.id}",
        mark=policy.mark,
        detail=detail,
    )
