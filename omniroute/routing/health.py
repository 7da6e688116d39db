"""How one connection is doing, as a whole and for each of its models; owned by `LiveState`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from omniroute.routing.breaker import CLOSED, State
from omniroute.routing.cooldown import Quota
from omniroute.routing.queue import ConnectionQueue, Ticket
from omniroute.routing.refusals import Refusals

USES_HALF_LIFE_S: Final = (
    60.0  # "recently" for least-used: long against a request, short against a shift
)


class Change(Struct, frozen=True, kw_only=True):
    """A breaker or a credential has changed its state: for the log and the metrics."""

    connection: str
    """`provider/connection`."""
    model: str | None = None
    """None where the whole connection is meant."""
    part: Literal["breaker", "credential"]
    state: Literal["open", "half_open", "closed", "refused", "accepted", "replaced"]
    reason: str = ""
    """The class of the failure that led to it."""
    rest_s: float = 0.0
    """How long nothing is sent."""


_MAX_MODEL_CHARS: Final = 100  # clients choose names


def name_of(change: Change) -> str:
    """What has changed: `provider/connection`, and the model where only that is meant."""
    if change.model is None:
        return change.connection
    return f"{change.connection}/{change.model[:_MAX_MODEL_CHARS]}"


def describe_change(change: Change) -> str:
    """What became of it, in words, for a line of the log."""
    reason = f" ({change.reason})" if change.reason else ""
    match change.state:
        case "refused":
            return f"its credential was refused{reason} and rests for {change.rest_s:g} s"
        case "accepted":
            return "its credential is accepted again"
        case "replaced":
            return "its credential, refused until now, was replaced"
        case "open":
            return f"its breaker is open{reason} for {change.rest_s:g} s"
        case "half_open":
            return "its breaker is half-open: a request tries whether it is well again"
        case "closed":
            return "its breaker is closed"


class ModelHealth:
    """One connection's health for one model. Mutable, owned by `LiveState`."""

    __slots__ = (
        "blocked_by",
        "blocked_until_s",
        "breaker",
        "breaker_since_s",
        "failed",
        "failed_at_s",
        "hinted_until_s",
        "in_flight",
        "last_failure",
        "latency_s",
        "limited_until_s",
        "quota_left",
        "quotas",
        "quotas_at_s",
        "refusals",
        "refused_until_s",
        "rests_until_s",
        "score",
        "seen_s",
        "succeeded",
        "uses",
        "uses_at_s",
        "waiting",
    )

    def __init__(self) -> None:
        self.breaker: State = CLOSED
        self.breaker_since_s = 0.0
        """Since when the breaker is in this state; 0 for a closed one that never moved."""
        self.blocked_until_s = 0.0
        """Nothing may be sent before: breaker open, or the provider said to wait."""
        self.blocked_by = ""
        self.limited_until_s = 0.0
        """The provider asked to wait until then."""
        self.hinted_until_s = 0.0
        """The last answer's `Retry-After`; counts when that answer turns out to be a 429."""
        self.refusals = Refusals()
        self.refused_until_s = 0.0
        """The provider does not let this credential use this model."""
        self.rests_until_s = 0.0
        """Failed a moment ago: comes last until then, but may be tried."""
        self.in_flight = 0
        self.latency_s: float | None = None
        """Moving average of the time to the first byte; None before the first answer."""
        self.score = 1.0
        """Moving average of success (1) and failure (0)."""
        self.uses = 0.0
        self.uses_at_s = 0.0
        self.succeeded = 0
        self.failed = 0
        self.failed_at_s: float | None = None
        self.last_failure = ""
        self.quotas: Mapping[str, Quota] = {}
        self.quotas_at_s = 0.0
        self.quota_left = 1.0
        self.seen_s = 0.0
        self.waiting: dict[Ticket, None] = {}
        """Who has no other route and waits for the verdict of a probe."""

    def is_refused(self) -> bool:
        """Whether a refusal is what keeps requests away: nobody waits for the end of that."""
        return self.refused_until_s >= self.blocked_until_s

    def wake(self) -> None:
        """The breaker has moved: all who wait look again."""
        waiting, self.waiting = self.waiting, {}
        for ticket in waiting:
            ticket.grant()

    def recent_uses(self, now_s: float) -> float:
        """Requests begun, each counting half after every half-life."""
        if not self.uses:
            return 0.0
        return self.uses * 0.5 ** ((now_s - self.uses_at_s) / USES_HALF_LIFE_S)


class ConnectionHealth:
    """What is common to all models of one connection: its credential and its queue."""

    __slots__ = ("blocked_by", "blocked_until_s", "queue", "refusals", "seen_s")

    def __init__(self) -> None:
        self.queue = ConnectionQueue()
        self.refusals = Refusals()
        self.blocked_until_s = 0.0
        """The credential was refused or has no money left; nothing may be sent before."""
        self.blocked_by = ""
        self.seen_s = 0.0
