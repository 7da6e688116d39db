"""What waits in a spool, as far as one process can tell without opening the database."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from omniroute.ledger.spool import segments


class Backlog:
    """`drained` is told by whoever drains; others may have drained further meanwhile."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._seen: Mapping[str, int] = {}

    def drained(self, offsets: Mapping[str, int]) -> None:
        """How far into each segment the database is known to be."""
        self._seen = offsets

    def waits(self) -> bool:
        """Whether opening the database could be worth it: for a row, or to be rid of a segment."""
        for segment in segments(self._data_dir):
            with opened(segment) as fd:
                if fd is None:
                    continue
                if os.fstat(fd).st_size > self._seen.get(segment.name, 0) or lock(fd):
                    return True
        return False


def lock(fd: int) -> bool:
    """Take the lock of an open file if nobody has it; closing the descriptor lets go of it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def opened(segment: Path) -> Generator[int | None]:
    """A descriptor to read with; None for a segment that is gone."""
    try:
        fd = os.open(segment, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)
