"""What one request has taken from the store: limits and budgets, taken once and settled once.

What depends on the caller alone (rate limits, the budgets of keys, tags and everybody) is taken
before anything is sent. What depends on the target is taken for each attempt at another model, so
that a used-up provider is passed over like one that fails.
"""

from __future__ import annotations

from omniroute.admission.budget import BudgetBook, BudgetEvent, events_of
from omniroute.admission.values import Admit
from omniroute.base.clock import Clock
from omniroute.request.request import Request
from omniroute.state.store import Reservation, Shortage, Store, Taken


class Reservations:
    """Owned by one request; `settle` gives everything back, however the request ended."""

    def __init__(self, store: Store, book: BudgetBook, clock: Clock) -> None:
        self._store = store
        self._book = book
        self._clock = clock
        self._base: Taken | None = None
        self._target: Taken | None = None
        self._target_of: str | None = None

    @classmethod
    def of(cls, request: Request, admit: Admit) -> Reservations | None:
        """None where no budget and no limit can have a say."""
        book = request.snapshot.admission.book
        if not book and not admit.limits:
            return None
        return cls(request.services.store, book, request.services.clock)

    async def take(self, wanted: Reservation) -> Shortage | None:
        """Take what depends on the caller; None when there was room, or it is held already."""
        if self._base is not None:
            return None
        taken = await self._store.take(wanted, self._now_s())
        if isinstance(taken, Shortage):
            return taken
        self._base = taken
        return None

    def holds(self, target: str) -> bool:
        """Whether what this target needs is held already, as at another attempt at it."""
        return self._target_of == target

    async def take_target(self, target: str, wanted: Reservation) -> Shortage | None:
        """Take what depends on the target, giving back what an earlier one needed."""
        await self._release_target()
        if not wanted.budgets:
            return None
        taken = await self._store.take(wanted, self._now_s())
        if isinstance(taken, Shortage):
            return taken
        self._target, self._target_of = taken, target
        return None

    async def settle(
        self, *, tokens: int | None, cost_nanousd: int | None
    ) -> tuple[BudgetEvent, ...]:
        """Put what was used in the place of the estimates: None keeps them, 0 gives all back."""
        now_s = self._now_s()
        events: list[BudgetEvent] = []
        for taken in (self._base, self._target):
            if taken is not None:
                spent = await self._store.settle(
                    taken, now_s=now_s, tokens=tokens, cost_nanousd=cost_nanousd
                )
                events += events_of(self._book, spent)
        self._base = self._target = self._target_of = None
        return tuple(events)

    async def _release_target(self) -> None:
        taken, self._target, self._target_of = self._target, None, None
        if taken is not None:
            await self._store.settle(taken, now_s=self._now_s(), tokens=0, cost_nanousd=0)

    def _now_s(self) -> float:
        return self._clock.now().timestamp()
