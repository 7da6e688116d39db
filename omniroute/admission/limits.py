"""Rate limits: which windows and slots a request needs, and what a refusal says."""

from __future__ import annotations

import math
from typing import Literal

from msgspec.structs import replace

from omniroute.admission.values import LimitRule, Refuse, RequestFacts
from omniroute.config.model import Key, KeyRateLimit, Mark, Policy
from omniroute.errors import RequestError
from omniroute.state.store import Shortage, SlotTake, WindowTake


def key_limit(key: Key, mark: Mark | None) -> LimitRule | None:
    """The limit that a key declares for itself; made once per snapshot."""
    limit = key.rate_limit
    if limit.requests is None and limit.tokens is None and not limit.concurrent:
        return None
    return limit_rule(f"key:{key.id}", f"key:{key.id}", limit, mark)


def policy_limit(policy: Policy, facts: RequestFacts, mark: Mark | None) -> LimitRule | None:
    """A policy's limit, shared by all it applies to, or counted per key or per address."""
    if policy.limit is None:
        return None
    owner = f"policy:{policy.id}"
    bucket = {
        "all": owner,
        "key": f"{owner}|{facts.caller.key_id or ''}",
        "ip": f"{owner}|{facts.ip}",
    }[policy.per]
    return limit_rule(owner, bucket, policy.limit, mark)


def limit_rule(owner: str, bucket: str, limit: KeyRateLimit, mark: Mark | None) -> LimitRule:
    """The rule's places in the store; requests with the same `bucket` count together."""
    return LimitRule(
        owner=owner,
        limit=limit,
        mark=mark,
        requests=_window(owner, bucket, "requests", limit.requests),
        tokens=_window(owner, bucket, "tokens", limit.tokens),
        slot=(
            SlotTake(key=f"{bucket}|concurrent", owner=owner, limit=limit.concurrent)
            if limit.concurrent
            else None
        ),
    )


def _window(
    owner: str, bucket: str, unit: Literal["requests", "tokens"], rate: tuple[int, float] | None
) -> WindowTake | None:
    if rate is None:
        return None
    return WindowTake(
        key=f"{bucket}|{unit}|{rate[1]:g}",
        owner=owner,
        unit=unit,
        limit=rate[0],
        window_s=rate[1],
        cost=1,
    )


def window_takes(
    rules: tuple[LimitRule, ...], *, input_tokens: int, output_tokens: int
) -> tuple[WindowTake, ...]:
    """The room that all rules together ask for.

    A request whose answer might be longer than a whole window waits for an empty window instead
    of never being admitted; one whose input alone is longer cannot be.
    """
    takes = list[WindowTake]()
    for rule in rules:
        if rule.requests is not None:
            takes.append(rule.requests)
        tokens = rule.tokens
        if tokens is not None:
            cost = input_tokens + output_tokens
            if input_tokens <= tokens.limit < cost:
                cost = tokens.limit
            takes.append(replace(tokens, cost=cost))
    return tuple(takes)


def slot_takes(rules: tuple[LimitRule, ...]) -> tuple[SlotTake, ...]:
    return tuple([rule.slot for rule in rules if rule.slot is not None])


def refuse_limit(shortage: Shortage, mark: Mark | None) -> Refuse:
    """A 429 that names the limit and says when to come again."""
    take = shortage.take
    retry_after_s = shortage.retry_after_s
    if isinstance(take, SlotTake):
        message = f"limit of {take.limit} concurrent requests reached ({take.owner})"
        retry_after_s = 1.0 if retry_after_s is None else retry_after_s
    elif isinstance(take, WindowTake):
        message = (
            f"limit of {take.limit} {take.unit} per {_named(take.window_s)} reached ({take.owner})"
        )
        if take.cost > take.limit:
            message = (
                f"the request needs about {take.cost} tokens, the limit is {take.limit} per "
                f"{_named(take.window_s)} ({take.owner})"
            )
    else:
        raise TypeError(take)
    return Refuse(
        error=RequestError(
            "rate_limit",
            message,
            code="rate_limit_exceeded",
            retry_after_s=None if retry_after_s is None else float(math.ceil(retry_after_s)),
        ),
        decided_by=f"limit:{take.owner}",
        mark=mark,
    )


def _named(seconds: float) -> str:
    named = {1.0: "second", 60.0: "minute", 3600.0: "hour", 86400.0: "day"}
    return named.get(seconds, f"{seconds:g} seconds")
