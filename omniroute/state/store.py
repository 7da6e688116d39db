"""The store as everybody else sees it: reservations, kept values, repeats. Imports no client.

A reservation is everything that one request needs at once: room in sliding windows, slots of
concurrent use and money of budgets. It is taken whole or not at all, in one step that no other
request can come between, and settled once when the request has ended. Keys are opaque here; `owner`
only travels along so that a refusal can be explained. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct


class WindowTake(Struct, frozen=True, kw_only=True):
    """At most `limit` within any `window_s` seconds; tokens are corrected when settled."""

    key: str
    owner: str
    unit: Literal["requests", "tokens"]
    limit: int
    window_s: float
    cost: int


class SlotTake(Struct, frozen=True, kw_only=True):
    """At most `limit` at the same time; given back when settled."""

    key: str
    owner: str
    limit: int


class BudgetTake(Struct, frozen=True, kw_only=True):
    """`cost_nanousd` is reserved; with `enforce`, spent plus reserved stay within the limit."""

    key: str
    owner: str
    limit_nanousd: int
    cost_nanousd: int
    enforce: bool
    expires_at_s: float | None
    """When the counter may be forgotten: some time after its period; None for never."""


def exceeds(take: BudgetTake, used_nanousd: int) -> bool:
    """Whether a budget has no room. Used up is used up, also for what has no price."""
    if not take.enforce:
        return False
    return used_nanousd + take.cost_nanousd > take.limit_nanousd or (
        used_nanousd >= take.limit_nanousd
    )


class Reservation(Struct, frozen=True, kw_only=True):
    windows: tuple[WindowTake, ...] = ()
    slots: tuple[SlotTake, ...] = ()
    budgets: tuple[BudgetTake, ...] = ()


NOTHING = Reservation()
"""A reservation that needs no store."""


class Taken(Struct, frozen=True, kw_only=True):
    """A reservation that was granted; hand it to `settle` exactly once."""

    id: str
    reservation: Reservation
    at_s: float


class Shortage(Struct, frozen=True, kw_only=True):
    """The first part of a reservation for which there was no room; nothing was taken."""

    take: WindowTake | SlotTake | BudgetTake
    used: int
    """What counted against the limit: tokens, requests, slots or nano-dollars."""
    retry_after_s: float | None = None
    """None when waiting does not help or nobody can tell."""
    away: bool = False
    """The shared store cannot be reached and this part may not be granted without it."""


class Spent(Struct, frozen=True, kw_only=True):
    """How settling moved one budget's spend, both in nano-dollars; spend never goes down."""

    take: BudgetTake
    before_nanousd: int
    after_nanousd: int


class Balance(Struct, frozen=True):
    """One budget's counter now."""

    spent_nanousd: int
    reserved_nanousd: int


class Space(Struct, frozen=True, kw_only=True):
    """A bounded room for kept values; when full, what was used longest ago goes."""

    name: str
    max_entries: int
    max_bytes: int
    persist: bool = False


class SpaceStats(Struct, frozen=True, kw_only=True):
    entries: int = 0
    size_bytes: int = 0
    hits: int = 0
    misses: int = 0
    evictions: int = 0


class Fresh(Struct, frozen=True):
    """Nobody has asked this within the window: go on, then call `finish` with `token`."""

    token: str


class Mismatch(Struct, frozen=True):
    """The same name was used for another body."""


class Repeat(Struct, frozen=True):
    """The first one's answer."""

    answer: bytes


Begun = Fresh | Mismatch | Repeat


class Store(Protocol):
    """Two exist: in the process, and in a Valkey that several workers or machines share."""

    name: str

    @property
    def available(self) -> bool:
        """False while the shared store cannot be reached."""
        ...

    async def take(self, reservation: Reservation, now_s: float) -> Taken | Shortage: ...

    async def settle(
        self, taken: Taken, *, now_s: float, tokens: int | None = None, cost_nanousd: int | None
    ) -> tuple[Spent, ...]:
        """Give slots back and put what was really used in the place of the estimate.

        None keeps the estimate: nobody knows what a broken answer has cost. 0 refunds.
        """
        ...

    async def balances(self, keys: tuple[str, ...]) -> tuple[Balance, ...]: ...

    async def restore(
        self, spent_nanousd: Mapping[str, int], *, expires_at_s: float | None, overwrite: bool
    ) -> None:
        """Spend as the ledger knows it; a counter that exists stays unless `overwrite`."""
        ...

    async def get(self, space: Space, key: str, now_s: float) -> bytes | None: ...

    async def put(
        self, space: Space, key: str, value: bytes, *, ttl_s: float, now_s: float
    ) -> None: ...

    async def names(self, space: Space, since_s: float) -> tuple[str, ...]:
        """Keys of what was kept or used since then, and maybe of more; the order says nothing."""
        ...

    async def peek(self, space: Space, keys: tuple[str, ...], now_s: float) -> dict[str, bytes]:
        """The values of those keys that are there; looking counts as no use of them."""
        ...

    async def delete(self, space: Space, key: str) -> None: ...

    async def clear(self, space: Space) -> int:
        """Forget everything in a space; how many entries that were."""
        ...

    async def stats(self, space: Space) -> SpaceStats: ...

    async def begin(self, name: str, body_hash: str, *, window_s: float, now_s: float) -> Begun:
        """Enter a request under its idempotency name; waits while an equal one is running.

        When that one ends without an answer, one of those who wait is Fresh.
        """
        ...

    async def finish(
        self, name: str, token: str, answer: bytes | None, *, window_s: float, now_s: float
    ) -> None:
        """The answer for repeats within the window; None lets the next one try afresh."""
        ...

    async def repeats(self, now_s: float) -> int:
        """How many idempotency names are remembered."""
        ...

    async def maintain(self) -> None:
        """Endless housekeeping, to be run by the Supervisor: sweeping, leases, reconnecting."""
        ...

    async def close(self) -> None: ...
