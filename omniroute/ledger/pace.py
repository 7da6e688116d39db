"""When to drain: often enough that rows are fresh, seldom enough that others find the file free."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from omniroute.errors import LedgerBusyError, LedgerError
from omniroute.ledger.drains import EXPIRE_ROWS, Drains
from omniroute.ledger.orders import DrainResult
from omniroute.ledger.paths import RETRY_S

PACE: Final = 20.0
"""How much longer the file is left alone than it was held. A checkpoint takes longer the more rows
are in it, however few are added."""
BUSY_ROWS: Final = 500
BUSY_S: Final = 4.0
"""After a drain of so many rows the next one waits so long: opening, checkpoint and closing cost as
much processor as writing 500 rows, and they take it from the requests."""
GAP_S: Final = 3 * RETRY_S
"""Between the batches of a backlog, for those who wait to read."""
EXPIRE_EVERY_S: Final = 600.0

_log = logging.getLogger("omniroute.ledger")


async def keep_drained(
    drains: Drains, *, interval_s: float, retention_s: Callable[[], float]
) -> None:
    """Drain and expire until cancelled; trouble is logged and tried again.

    At least `interval_s` lie between two drains, and more where one takes long (PACE) or brought
    much (BUSY_S), unless a backlog is waiting. What has expired goes along with a drain, and waits
    no longer than EXPIRE_EVERY_S for one.

    What was appended after the last round is for the caller to drain: `drain_all`, once the spools
    are closed.
    """
    loop = asyncio.get_running_loop()
    next_expiry = loop.time()
    failing = False
    while True:
        try:
            result = await asyncio.to_thread(drains.drain_once)
            late_s = loop.time() - next_expiry
            if late_s >= EXPIRE_EVERY_S or (late_s >= 0 and result.outcome == "done"):
                before = datetime.now(UTC) - timedelta(seconds=retention_s())
                expired = await asyncio.to_thread(drains.expire, before)
                if expired < EXPIRE_ROWS:
                    next_expiry = loop.time() + EXPIRE_EVERY_S
            if failing:
                failing = False
                _log.info("usage records reach the database again")
        except LedgerBusyError:
            result = DrainResult(outcome="busy")
        except LedgerError as exc:
            result = DrainResult(outcome="busy")
            if not failing:
                failing = True
                _log.error("usage records wait in the spool: %s", exc)
        await asyncio.sleep(pause_s(result, interval_s))


def pause_s(result: DrainResult, interval_s: float) -> float:
    """How long to leave the file alone after a drain."""
    if result.outcome == "done" and result.more:
        return min(interval_s, GAP_S)
    busy_s = BUSY_S if result.rows >= BUSY_ROWS else 0.0
    return max(interval_s, busy_s, PACE * result.held_s)
