"""How one connection is doing, as a whole and for each of its models; owned by `LiveState`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from omniroute.routing.breaker import CLOSED, State
from omniroute.routing.cooldown import Quota
from omniroute.routing.queue import ConnectionQueue, Ticket

USES_HALF_LIFE_S: Final = (
    60.0  # "recently" for least-used: long against a request, short against a shift
)


class ModelHealth:
    """One connection's health for one model. Mutable, owned by `LiveState`."""

    __slots__ = (
        "blocked_by",
        "blocked_until_s",
        "breaker",
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
        self.blocked_until_s = 0.0
        """Nothing may be sent before: breaker open, or the provider said to wait."""
        self.blocked_by = ""
        self.limited_until_s = 0.0
        """The provider asked to wait until then."""
        self.hinted_until_s = 0.0
        """The last answer's `Retry-After`; counts when that answer turns out to be a 429."""
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

    __slots__ = ("blocked_by", "blocked_until_s", "queue", "seen_s")

    def __init__(self) -> None:
        self.queue = ConnectionQueue()
        self.blocked_until_s = 0.0
        """The credential was refused or has no money left; nothing may be sent before."""
        self.blocked_by = ""
        self.seen_s = 0.0
