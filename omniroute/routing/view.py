"""What a planner may see of the running system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Protocol

from omniroute.routing.health import ConnectionHealth, ModelHealth


class LiveView(Protocol):
    """The running system as a planner sees it.

    Reading changes nothing, except `turn` and `deal`, which hand out each turn once.
    """

    @property
    def models(self) -> Mapping[str, ModelHealth]:
        """By `Candidate.key`; absent means never used, which is as good as healthy."""
        ...

    @property
    def connections(self) -> Mapping[str, ConnectionHealth]:
        """By `Candidate.connection_key`."""
        ...

    def turn(self, name: str) -> int:
        """0, 1, 2, … for one name."""
        ...

    def deal(self, name: str, members: Sequence[int], rng: Random) -> Sequence[int]:
        """Deal one card of `members`: it comes first, then the cards of this round still to come.

        A card is not dealt again before all others were.
        """
        ...

    def last_good(self, combo: str) -> str | None:
        """The `provider/model` that answered last."""
        ...

    def bound(self, scope: str, owner: str, now_s: float) -> str | None:
        """The candidate that a session stays with, by its key."""
        ...
