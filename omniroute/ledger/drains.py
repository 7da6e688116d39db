"""What emptying a spool is, whichever process does it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from datetime import datetime
from typing import Final

from omniroute.ledger.orders import DrainResult
from omniroute.ledger.paths import RETRY_S

EXPIRE_ROWS: Final = 20_000  # deleted per transaction: the file is held meanwhile


class Drains(ABC):
    """Who can empty a spool: this process (`Drainer`), or another for it (`LedgerWriter`)."""

    @abstractmethod
    def drain_once(self) -> DrainResult:
        """Drain one batch. Blocks.

        Raises LedgerError when the database or the spool is unusable.
        """

    @abstractmethod
    def expire(self, before: datetime) -> int:
        """Delete one bounded batch of rows that arrived before that instant; how many it was.

        Raises LedgerBusyError when the file is open elsewhere. Blocks.
        """

    def drain_all(self, *, patience_s: float) -> DrainResult:
        """Drain until nothing waits, or until the file stayed busy for `patience_s`.

        The last drain's result, with the rows of all.
        """
        rows = quarantined = deleted = 0
        give_up = time.monotonic() + patience_s
        while True:
            result = self.drain_once()
            rows += result.rows
            quarantined += result.quarantined
            deleted += result.segments_deleted
            if result.outcome == "busy" and time.monotonic() < give_up:
                time.sleep(RETRY_S)
            elif result.outcome != "done" or not result.more:
                break
        return DrainResult(
            outcome="done" if result.outcome == "idle" and rows else result.outcome,
            rows=rows,
            quarantined=quarantined,
            segments_deleted=deleted,
            held_s=result.held_s,
            more=result.more,
            offsets=result.offsets,
        )
