"""A server's hands on its usage database: every drain, in a process of its own.

What DuckDB costs is nothing that requests wait for, nor memory of the process that serves them. The
process (`scribe`) starts with the first rows, stays while there are more, and ends when there were
none for a while.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from omniroute.errors import LedgerBusyError, LedgerError
from omniroute.ledger.backlog import Backlog
from omniroute.ledger.drains import Drains
from omniroute.ledger.orders import (
    CreateOrder,
    DrainOrder,
    DrainResult,
    ExpireOrder,
    Order,
    ScribeHead,
    SpendOrder,
    SpentRow,
)
from omniroute.ledger.paths import database_path
from omniroute.ledger.process import LedgerProcess, ProcessEndedError

ORDER_S: Final = 120.0
"""The longest that an order may take; a batch takes half a second."""
_decode_head = msgspec.json.Decoder(ScribeHead).decode
_decode_spend = msgspec.json.Decoder(tuple[SpentRow, ...]).decode
_log = logging.getLogger("omniroute.ledger")


class LedgerWriter(Drains):
    """Blocking; safe to call from any thread. `finish` at the end."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._path = database_path(data_dir)
        self._turn = threading.Lock()
        self._backlog = Backlog(data_dir)
        self._scribe = LedgerProcess("omniroute.ledger.scribe", str(data_dir))
        self.quarantined = 0
        """Lines of the spool that became no rows, so far."""

    def drain_once(self) -> DrainResult:
        if not self._backlog.waits():
            return DrainResult(outcome="idle")
        head, _ = self._order(DrainOrder())
        result = head.drained
        assert result is not None  # noqa: S101 - what this order is answered with
        if result.outcome == "done":
            self._backlog.drained(result.offsets)
        self.quarantined += result.quarantined
        return result

    def create(self) -> None:
        """The database where there is none yet, so that it can be read before the first row."""
        if not self._path.exists():
            self._order(CreateOrder())

    def expire(self, before: datetime) -> int:
        if not self._path.exists():
            return 0
        head, _ = self._order(ExpireOrder(before))
        return head.expired

    def spent(self, since: datetime) -> tuple[SpentRow, ...]:
        """Every priced request since then, the spool's included. Raises LedgerError. Blocks."""
        _, body = self._order(SpendOrder(since))
        return _decode_spend(body)

    def finish(self, *, patience_s: float) -> None:
        """End the process, and do here what is left: nobody is served by this one any more.

        Raises LedgerError for what could not be done; each half takes about `patience_s` at most.
        """
        alarm = threading.Timer(patience_s, self._scribe.kill)  # the spool has what it was at
        alarm.start()
        with self._turn:
            alarm.cancel()
            self._scribe.end()
        if self._backlog.waits():
            from omniroute.ledger.drain import Drainer  # and DuckDB, which serving is spared

            Drainer(self._data_dir).drain_all(patience_s=patience_s)

    def _order(self, order: Order) -> tuple[ScribeHead, bytes]:
        """Raises LedgerError for what could not be done."""
        line = msgspec.json.encode(order) + b"\n"
        try:
            with self._turn:
                head, body = self._scribe.exchange(line, _decode_head, within_s=ORDER_S)
        except ProcessEndedError as exc:
            raise LedgerError(f"the process that writes to the database {exc}") from exc
        for said in head.said:
            _log.log(said.level, "%s", said.text)
        if head.failure is not None:
            raise (LedgerBusyError if head.busy else LedgerError)(head.failure)
        return head, body
