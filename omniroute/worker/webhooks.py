"""Calls of budget webhooks: bounded in number, in time and in retries, never in a request's way.

A call that does not come through is logged and counted, and the warning itself is in the log and
the metrics anyway. Those that are under way when the process ends are lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import orjson

from omniroute.active.snapshot import Hook
from omniroute.admission.budget import BudgetEvent
from omniroute.base.clock import Clock
from omniroute.base.tasks import Supervisor
from omniroute.base.units import NANO
from omniroute.base.version import __version__
from omniroute.errors import BlockedAddressError, UpstreamError
from omniroute.request.provider import Redact, words_of
from omniroute.upstream.client import Bounds, UpstreamRequest
from omniroute.upstream.pool import TransportPool

_log = logging.getLogger("omniroute.webhooks")

WAITS_S: Final = (1.0, 5.0, 30.0)
"""Between the attempts: long enough for a restart of the other side."""
MAX_RUNNING: Final = 100
"""A receiver that hangs must not gather calls without end; what is beyond is dropped."""
CALL_S: Final = 15.0
AGAIN: Final = frozenset({408, 425, 429})
"""Refusals that may pass; other 4xx would be the same again."""


class Webhooks:
    """One worker's calls. Belongs to its event loop."""

    def __init__(
        self,
        transports: TransportPool,
        supervisor: Supervisor,
        *,
        clock: Clock,
        count: Callable[[str], None],
        redact: Redact,
        waits_s: tuple[float, ...] = WAITS_S,
    ) -> None:
        """`count` hears of each call's result: `ok`, `failed` or `dropped`."""
        self._redact = redact
        self._transports = transports
        self._supervisor = supervisor
        self._clock = clock
        self._count = count
        self._waits_s = waits_s
        self._running = 0

    def send(self, hook: Hook, event: BudgetEvent) -> None:
        """Start a call; returns at once."""
        if self._running >= MAX_RUNNING:
            self._count("dropped")
            _log.error("budget %s: too many webhook calls are running", event.budget)
            return
        self._running += 1
        body = render_event(event, at=self._clock.now().isoformat())
        self._supervisor.start("webhook", self._deliver(hook, event.budget, body))

    async def _deliver(self, hook: Hook, budget: str, body: bytes) -> None:
        try:
            for wait_s in (*self._waits_s, None):
                problem, final = await self._call(hook, body)
                if problem is None:
                    self._count("ok")
                    return
                if final or wait_s is None:
                    self._count("failed")
                    _log.error("budget %s: its webhook was not reached: %s", budget, problem)
                    return
                await asyncio.sleep(wait_s)
        finally:
            self._running -= 1

    async def _call(self, hook: Hook, body: bytes) -> tuple[str | None, bool]:
        """What went wrong, if anything, and whether it would go wrong again."""
        request = UpstreamRequest(
            method="POST",
            url=hook.url.reveal(),
            headers=(
                ("Content-Type", "application/json"),
                ("User-Agent", f"omniroute/{__version__}"),
            ),
            body=body,
        )
        deadline = asyncio.get_running_loop().time() + CALL_S
        bounds = Bounds(connect_s=5.0, first_byte_s=CALL_S, idle_s=CALL_S, deadline=deadline)
        try:
            exchange = await self._transports.get(hook.transport).open(request, bounds)
        except BlockedAddressError as error:
            return words_of(error, self._redact), True
        except UpstreamError as error:
            return words_of(error, self._redact), False
        status = exchange.status
        await exchange.close()
        if 200 <= status < 300:
            return None, True
        return f"it answered {status}", 300 <= status < 500 and status not in AGAIN


def render_event(event: BudgetEvent, *, at: str) -> bytes:
    """The body of a call."""
    return orjson.dumps(
        {
            "event": "budget.warning",
            "at": at,
            "budget": event.budget,
            "period": event.period,
            "threshold": event.threshold,
            "spentUsd": event.spent_nanousd / NANO,
            "limitUsd": event.limit_nanousd / NANO,
        }
    )
