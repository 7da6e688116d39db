"""What a failed attempt means: who may be tried next, and what is learned about whom.

| failure | same connection again | next connection | next target | learned |
|---|---|---|---|---|
| rate_limit (429) | after its wait | yes | `429` | connection rests for this model, as told |
| overloaded, upstream, unavailable (5xx) | after backoff | yes | `5xx` | breaker, short rest |
| connection, answer cut at its start | after backoff | yes | `connection` | breaker, short rest |
| timeout | no | yes | `timeout` | breaker, short rest |
| authentication, permission (401, 403) | no | yes | always | connection rests long |
| budget (402) | no | yes | `budget` | connection rests long |
| context_length | no | no | larger window, then another model's unknown one | nothing |
| all else (4xx, content_filter) | no | no | its status, `4xx`, kind or `contains:` | nothing |

What the gateway itself refuses for one target (a budget) is judged likewise, and teaches nothing.
A client's mistake is not tried again elsewhere, unless the combo lists it: it would fail there too.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Final, Literal

from msgspec import Struct

from omniroute.config.model import Retry
from omniroute.errors import (
    STATUS,
    Kind,
    RequestError,
    UpstreamConnectError,
    UpstreamCutError,
    UpstreamError,
    UpstreamTimeoutError,
)
from omniroute.translation.values import Failure

Blame = Literal["nobody", "provider", "quota", "credential", "model"]
"""Whose health a failure speaks of."""

_PASSING: Final[frozenset[Kind]] = frozenset(
    {"rate_limit", "overloaded", "upstream", "unavailable", "connection"}
)
_BLAME: Final[dict[Kind, Blame]] = {
    "rate_limit": "quota",
    "overloaded": "provider",
    "upstream": "provider",
    "unavailable": "provider",
    "connection": "provider",
    "timeout": "provider",
    "authentication": "credential",
    "budget": "credential",
    "permission": "model",
}
_SERVER_SIDE: Final[frozenset[Kind]] = frozenset({"overloaded", "upstream", "unavailable"})
CUT: Final = "upstream_cut"
_OURS: Final[frozenset[Kind]] = frozenset({"authentication", "permission"})
"""Between the gateway and the provider; no client can do anything about them."""


class Verdict(Struct, frozen=True, kw_only=True):
    """What may come next. `again`: the same connection may do better later."""

    blame: Blame
    again: bool = False
    next_connection: bool = False
    next_target: bool = False
    larger_window: bool = False


def classify(failure: Failure, fallback_on: Iterable[str]) -> Verdict:
    """Judge one failure by its kind; `fallback_on` is the combo's list."""
    kind = failure.kind
    if kind == "context_length":
        return Verdict(blame="nobody", larger_window=True)
    listed = any(matches(rule, failure) for rule in fallback_on)
    blame = _BLAME.get(kind, "nobody")
    if blame == "nobody":
        return Verdict(blame="nobody", next_target=listed)
    return Verdict(
        blame=blame,
        again=kind in _PASSING,
        next_connection=True,
        next_target=listed or kind in _OURS,
    )


def matches(rule: str, failure: Failure) -> bool:
    """Whether a word of `fallback_on` speaks of this failure."""
    kind, status = failure.kind, failure.status
    if rule.startswith("contains:"):
        text = rule.removeprefix("contains:").strip().lower()
        return text in failure.message.lower() or text == (failure.code or "").lower()
    if rule == "429":
        return kind == "rate_limit" or status == 429
    if rule == "5xx":
        return kind in _SERVER_SIDE or (status >= 500 and kind not in ("timeout", "connection"))
    if rule == "connection":
        # A cut before the first byte is a broken connection as much as a broken answer.
        return kind == "connection" or failure.code == CUT
    if rule == "4xx":
        return 400 <= status < 500
    if rule.isdigit():
        return status == int(rule)
    return rule == kind


def failure_of(error: UpstreamError) -> Failure:
    """An exception of the transport as a failure; its text stays in the log, not in answers."""
    match error:
        case UpstreamTimeoutError():
            words = {
                "connect": "could not be reached in time",
                "first_byte": "did not start to answer in time",
                "idle": "fell silent",
                "total": "did not finish in time",
            }
            message, code = f"the provider {words[error.phase]}", "upstream_timeout"
        case UpstreamConnectError():
            message, code = "the provider could not be reached", "upstream_unreachable"
        case UpstreamCutError():
            message, code = "the provider's answer was cut off or unreadable", CUT
        case _:
            message, code = "the provider failed", None
    return Failure(kind=error.kind, status=STATUS[error.kind], message=message, code=code)


def refusal_of(error: RequestError) -> Failure:
    """What the gateway itself refuses for one target, as a failure of that target."""
    return Failure(
        kind=error.kind,
        status=error.status,
        message=error.message,
        code=error.code,
        retry_after_s=error.retry_after_s,
    )


def backoff_s(retry: Retry, tries: int, rng: Random) -> float:
    """Wait before try number `tries` + 1: exponential, jittered over its upper half."""
    step: float = min(retry.base_s * 2.0 ** min(tries - 1, 30), retry.max_interval_s)
    return step * (0.5 + rng.random() / 2)


class RetryBudget:
    """Repeats of a request at the same provider: a share of the traffic, and a floor per second.

    Only the same connection asked again is charged: another connection or provider has not seen
    the request yet, and breakers keep a failing one from being asked at all.
    """

    __slots__ = ("_at_s", "_tokens")

    SHARE: Final = 0.2
    FLOOR_PER_S: Final = 1.0
    CAPACITY: Final = 20.0

    def __init__(self, now_s: float) -> None:
        self._tokens = self.CAPACITY / 2
        self._at_s = now_s

    def earn(self) -> None:
        """A request came in."""
        self._tokens = min(self._tokens + self.SHARE, self.CAPACITY)

    def spend(self, now_s: float) -> bool:
        """Take one retry, if there is one."""
        self._tokens = min(
            self._tokens + max(now_s - self._at_s, 0.0) * self.FLOOR_PER_S, self.CAPACITY
        )
        self._at_s = now_s
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
