"""Rate limits: which windows and slots a request needs, and what a refusal says."""

from __future__ import annotations

import math

from omniroute.admission.values import Caller, LimitRule, Refuse, RequestFacts
from omniroute.config.model import Mark, Policy
from omniroute.errors import RequestError
from omniroute.state.store import Shortage, SlotTake, WindowTake


def key_limit(caller: Caller, mark: Mark | None) -> LimitRule | None:
    """The limit that a key declares for itself."""
    key = caller.key
    if key is None:
        return None
    limit = key.rate_limit
    if limit.requests is None and limit.tokens is None and not limit.concurrent:
        return None
    return LimitRule(owner=f"key:{key.id}", bucket=f"key:{key.id}", limit=limit, mark=mark)


def policy_limit(policy: Policy, facts: RequestFacts, mark: Mark | None) -> LimitRule:
    """A policy's limit, shared by all it applies to, or counted per key or per address."""
    assert policy.limit is not None  # noqa: S101 - the caller has looked
    owner = f"policy:{policy.id}"
    bucket = {
        "all": owner,
        "key": f"{owner}|{facts.caller.key_id or ''}",
        "ip": f"{owner}|{facts.ip}",
    }[policy.per]
    return LimitRule(owner=owner, bucket=bucket, limit=policy.limit, mark=mark)


def window_takes(
    rules: tuple[LimitRule, ...], *, input_tokens: int, output_tokens: int
) -> tuple[WindowTake, ...]:
    """The room that all rules together ask for.

    A request whose answer might be longer than a whole window waits for an empty window instead
    of never being admitted; one whose input alone is longer cannot be.
    """
    takes = list[WindowTake]()
    for rule in rules:
        if rule.limit.requests is not None:
            amount, window_s = rule.limit.requests
            takes.append(
                WindowTake(
                    key=f"{rule.bucket}|requests|{window_s:g}",
                    owner=rule.owner,
                    unit="requests",
                    limit=amount,
                    window_s=window_s,
                    cost=1,
                )
            )
        if rule.limit.tokens is not None:
            amount, window_s = rule.limit.tokens
            cost = input_tokens + output_tokens
            takes.append(
                WindowTake(
                    key=f"{rule.bucket}|tokens|{window_s:g}",
                    owner=rule.owner,
                    unit="tokens",
                    limit=amount,
                    window_s=window_s,
                    cost=amount if input_tokens <= amount < cost else cost,
                )
            )
    return tuple(takes)


def slot_takes(rules: tuple[LimitRule, ...]) -> tuple[SlotTake, ...]:
    return tuple(
        SlotTake(key=f"{rule.bucket}|concurrent", owner=rule.owner, limit=rule.limit.concurrent)
        for rule in rules
        if rule.limit.concurrent
    )


def refuse_limit(shortage: Shortage, mark: Mark | None) -> Refuse:
    """A 429 that names the limit and says when to come again."""
    take = shortage.take
    retry_after_s = shortage.retry_after_s
    if isinstance(take, SlotTake):
        message = f"limit of {take.limit} concurrent requests reached ({take.owner})"
        retry_after_s = 1.0 if retry_after_s is None else retry_after_s
    elif isinstance(take, WindowTake):
        message = (
            f"limit of {take.limit} {take.unit} per {_window(take.window_s)} reached ({take.owner})"
        )
        if take.cost > take.limit:
            message = (
                f"the request needs about {take.cost} tokens, the limit is {take.limit} per "
                f"{_window(take.window_s)} ({take.owner})"
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


def _window(seconds: float) -> str:
    named = {1.0: "second", 60.0: "minute", 3600.0: "hour", 86400.0: "day"}
    return named.get(seconds, f"{seconds:g} seconds")
