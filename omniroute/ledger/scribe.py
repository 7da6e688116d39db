"""The process that works on a server's usage database: `python -m` this module with a data folder.

DuckDB, the memory it takes and the processor's time of every row are here, not where requests are
served. It does one order after the other, gives way to the server, and ends when that does, or when
nothing was ordered for a while. Killed at any point it loses nothing: see `drain`.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Final, assert_never

import msgspec

from omniroute.errors import LedgerBusyError, LedgerError
from omniroute.ledger.drain import Drainer
from omniroute.ledger.orders import (
    CreateOrder,
    DrainOrder,
    ExpireOrder,
    Order,
    Said,
    ScribeHead,
    SpendOrder,
)
from omniroute.ledger.process import answer, next_question
from omniroute.ledger.spend import read_spend

IDLE_S: Final = 60.0
_NICE: Final = 5  # requests come first


class _Notes(logging.Handler):
    """What would be logged here is for the server's log."""

    def __init__(self) -> None:
        super().__init__()
        self._said: list[Said] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(Said(record.levelno, record.getMessage()))

    def take(self) -> tuple[Said, ...]:
        said, self._said = self._said, []
        return tuple(said)


def main() -> int:
    """Work until standard input ends, or nothing is ordered for a while."""
    os.umask(0o077)
    os.nice(_NICE)
    data_dir = Path(sys.argv[1])
    drainer = Drainer(data_dir)
    notes = _Notes()
    logging.getLogger("omniroute").addHandler(notes)
    decode = msgspec.json.Decoder(Order).decode
    while line := next_question(sys.stdin.buffer, idle_s=IDLE_S):
        try:
            head, body = _done(decode(line), drainer, data_dir)
        except LedgerError as error:
            busy = isinstance(error, LedgerBusyError)
            head, body = ScribeHead(failure=str(error), busy=busy), b""
        head = msgspec.structs.replace(head, size=len(body), said=notes.take())
        answer(sys.stdout.buffer, head, body)
    return 0


def _done(order: Order, drainer: Drainer, data_dir: Path) -> tuple[ScribeHead, bytes]:
    match order:
        case DrainOrder():
            return ScribeHead(drained=drainer.drain_once()), b""
        case CreateOrder():
            drainer.create()
            return ScribeHead(), b""
        case ExpireOrder(before):
            return ScribeHead(expired=drainer.expire(before)), b""
        case SpendOrder(since):
            return ScribeHead(), msgspec.json.encode(read_spend(data_dir, since))
        case _:
            assert_never(order)


if __name__ == "__main__":
    sys.exit(main())
