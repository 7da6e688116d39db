"""The memory store's memory: an append-only file that a killed process leaves behind whole.

One JSON line per reservation and per settlement, written without waiting for the disk: the kernel
keeps it when the process dies, a power cut may lose the last second. At start the lines are
replayed; a reservation that was never settled is charged as estimated, since its answer may have
been paid for.
"""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import msgspec

from omniroute.state.store import Reservation

_log = logging.getLogger("omniroute.state")

COMPACT_BYTES = 4 << 20  # some 20,000 requests; replaying them takes a fraction of a second


class TakenLine(msgspec.Struct, frozen=True, tag="take", tag_field="do"):
    id: str
    at_s: float
    reservation: Reservation


class SettledLine(msgspec.Struct, frozen=True, tag="settle", tag_field="do"):
    id: str
    now_s: float
    tokens: int | None
    cost_nanousd: int | None


class WindowLine(msgspec.Struct, frozen=True, tag="window", tag_field="do"):
    """A window as it stood when the journal was written anew: (first, last, amount) per mark."""

    key: str
    window_s: float
    marks: tuple[tuple[float, float, int], ...]


class BudgetLine(msgspec.Struct, frozen=True, tag="budget", tag_field="do"):
    key: str
    spent_nanousd: int
    expires_at_s: float | None


class OpenLine(msgspec.Struct, frozen=True, tag="open", tag_field="do"):
    """A reservation that ran when the journal was written anew; its windows are in WindowLines."""

    id: str
    at_s: float
    reservation: Reservation


Line = TakenLine | SettledLine | WindowLine | BudgetLine | OpenLine

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


def parse_lines(data: bytes) -> list[Line]:
    """Everything readable: a line that was cut by a crash is skipped, as is one damaged on disk."""
    lines = list[Line]()
    for line in data.splitlines():
        try:
            lines.append(_decode(line))
        except (msgspec.DecodeError, msgspec.ValidationError):
            continue
    return lines


class Journal:
    """An open journal file. Owned by one process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size_bytes = 0
        self._fd = -1
        self._torn = False
        """The last line may be half there, so the next one begins with a line end of its own."""

    def read(self) -> list[Line]:
        try:
            return parse_lines(self._path.read_bytes())
        except FileNotFoundError:
            return []

    def append(self, line: Line) -> None:
        """A disk that is full costs what a crash would forget, not the request."""
        data = (b"\n" if self._torn else b"") + _encode(line) + b"\n"
        try:
            written = os.write(self._fd, data)
        except OSError as error:
            written = 0
            if not self._torn:
                _log.error("the state journal cannot be written: %s", error.strerror)
        if written < len(data):
            self._torn = True
        elif self._torn:
            self._torn = False
            _log.warning("the state journal can be written again")
        self.size_bytes += written

    def rewrite(self, lines: list[Line]) -> None:
        """Replace the file by `lines` in one step and go on appending behind them.

        Raises OSError, with the old file still in use.
        """
        data = b"".join(_encode(line) + b"\n" for line in lines)
        fresh = self._path.with_suffix(".new")
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            if os.write(fd, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fresh.replace(self._path)
        except OSError:
            os.close(fd)
            raise
        self.close()
        self._fd = fd
        self.size_bytes = len(data)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
