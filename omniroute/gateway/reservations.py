"""What one request has taken from the store: limits and budgets, taken once and settled once.

What depends on the caller alone (rate limits, the budgets of keys, tags and everybody) is taken
before anything is sent. What depends on the target is taken for each attempt at another model, so
that a used-up provider is passed over like one that fails.
"""

from __future__ import annotations

from omniroute.admission.budget import BudgetEvent, events_of
from omniroute.admission.gate import AdmissionPlan, claim, claim_target
from omniroute.admission.values import Admit
from omniroute.base.clock import Clock
from omniroute.request.services import Services
from omniroute.state.store import Shortage, Store, Taken


class Claims:
    """Owned by one request; `settle` gives everything back, however the request ended."""

    def __init__(self, store: Store, plan: AdmissionPlan, clock: Clock) -> None:
        self._store = store
        self._plan = plan
        self._clock = clock
        self._base: Taken | None = None
        self._target: Taken | None = None
        self._target_of: tuple[str, str] | None = None

    @classmethod
    def of(cls, services: Services, plan: AdmissionPlan, admit: Admit) -> Claims | None:
        """None where no budget and no limit can have a say."""
        if not plan.book and not admit.limits:
            return None
        return cls(services.store, plan, services.clock)

    async def take(
        self, admit: Admit, *, input_tokens: int, output_tokens: int | None, cost_nanousd: int
    ) -> Shortage | None:
        """Take what depends on the caller; None when there was room, or it is held already."""
        if self._base is not None:
            return None
        now = self._clock.now()
        wanted = claim(
            self._plan,
            admit,
            provider="",
            model="",
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost_nanousd=cost_nanousd,
            now=now,
        )
        if not (wanted.windows or wanted.slots or wanted.budgets):
            return None
        taken = await self._store.take(wanted, now.timestamp())
        if isinstance(taken, Shortage):
            return taken
        self._base = taken
        return None

    async def take_target(
        self, admit: Admit, *, provider: str, model: str, cost_nanousd: int
    ) -> Shortage | None:
        """Take what depends on the target, giving back what an earlier one needed."""
        if not self._plan.book or self._target_of == (provider, model):
            return None
        await self._release_target()
        now = self._clock.now()
        wanted = claim_target(
            self._plan, admit, provider=provider, model=model, cost_nanousd=cost_nanousd, now=now
        )
        if not wanted.budgets:
            return None
        taken = await self._store.take(wanted, now.timestamp())
        if isinstance(taken, Shortage):
            return taken
        self._target, self._target_of = taken, (provider, model)
        return None

    async def settle(
        self, *, tokens: int | None, cost_nanousd: int | None
    ) -> tuple[BudgetEvent, ...]:
        """Put what was used in the place of the estimates: None keeps them, 0 gives all back."""
        now_s = self._clock.now().timestamp()
        events: list[BudgetEvent] = []
        for taken in (self._base, self._target):
            if taken is not None:
                spent = await self._store.settle(
                    taken, now_s=now_s, tokens=tokens, cost_nanousd=cost_nanousd
                )
                events += events_of(self._plan.book, spent)
        self._base = self._target = self._target_of = None
        return tuple(events)

    async def _release_target(self) -> None:
        if self._target is not None:
            now_s = self._clock.now().timestamp()
            await self._store.settle(self._target, now_s=now_s, tokens=0, cost_nanousd=0)
            self._target = self._target_of = None
