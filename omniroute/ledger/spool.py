"""Append-only lines on disk: what was answered is written before the answer ends.

One worker owns one segment at a time and is its only writer:

    <data_dir>/spool/<worker>-<started>-<random>-<sequence>.jsonl

A segment is *active* while its writer holds an exclusive flock on it, *closed* once nobody does:
the kernel lets go of the lock when the process dies, however it dies. A segment is born locked
(made under a dotted name, locked, then renamed), is never reopened for writing, and its name is
never used again. Whoever sees it closed may drain its rest and delete it.

`append` is one write(2) to the page cache: the death of the process loses nothing that was
appended, the death of the machine loses what the last `sync_interval_s` appended. A disk that is
full, or a spool beyond `max_total_bytes`, costs records and is counted; requests are still served.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final

from msgspec import Struct

from omniroute.errors import LedgerError
from omniroute.ledger.event import EventRecord, render_event
from omniroute.ledger.record import RequestRecord, render_line

SUFFIX: Final = ".jsonl"

_log = logging.getLogger("omniroute.ledger")


class SpoolStats(Struct, frozen=True, kw_only=True):
    """Counts since the spool was opened, except `pending_bytes`: the spool's size on disk."""

    appended: int
    dropped: int
    pending_bytes: int


def spool_dir(data_dir: Path) -> Path:
    return data_dir / "spool"


def segments(data_dir: Path) -> list[Path]:
    """All segments, oldest name first; empty when there is no spool."""
    try:
        return sorted(path for path in spool_dir(data_dir).iterdir() if is_segment(path))
    except FileNotFoundError:
        return []


def is_segment(path: Path) -> bool:
    return path.suffix == SUFFIX and not path.name.startswith(".")


def make_private_dirs(data_dir: Path) -> None:
    """Create data_dir and its spool for the owner alone; existing folders keep their mode."""
    for folder in (data_dir, spool_dir(data_dir)):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


class Spool:
    """One worker's end of the spool. `append`, `note` and `close` belong to one thread."""

    def __init__(
        self,
        data_dir: Path,
        *,
        worker: str = "w0",
        max_segment_bytes: int = 8 << 20,  # what a drain holds in memory, twice
        max_total_bytes: int = 1 << 30,  # about a million requests that nobody drains
        sync_interval_s: float = 0.5,
    ) -> None:
        """Raises LedgerError when the folder cannot be written."""
        self._dir = spool_dir(data_dir)
        self._prefix = f"{worker}-{time.time_ns():020d}-{secrets.token_hex(4)}"
        self._max_segment_bytes = max_segment_bytes
        self._max_total_bytes = max_total_bytes
        self._sequence = 0
        self._appended = 0
        self._dropped = 0
        self._dropping = False
        self._pending_bytes = 0
        self._unsynced = False
        self._unsynced_name = False
        self._lost = False
        self._retired: list[int] = []  # full segments; the syncer closes what it synced
        try:
            make_private_dirs(data_dir)
            self._fd, self._size = self._open_segment(), 0
        except OSError as exc:
            raise LedgerError(f"cannot write to {self._dir}: {exc.strerror}") from exc
        self._measure()
        self._stopping = threading.Event()
        self._syncer = threading.Thread(
            target=self._sync_until_stopped,
            args=(sync_interval_s,),
            name=f"spool-sync-{worker}",
            daemon=True,
        )
        self._syncer.start()

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def stats(self) -> SpoolStats:
        return SpoolStats(
            appended=self._appended, dropped=self._dropped, pending_bytes=self._pending_bytes
        )

    def append(self, record: RequestRecord) -> bool:
        """Write the record. False when it had to be dropped; never raises for want of disk."""
        if not self._write(render_line(record)):
            return False
        self._appended += 1
        return True

    def note(self, event: EventRecord) -> bool:
        """Write an event as `append` does a record; it is not counted among those."""
        return self._write(render_event(event))

    def _write(self, line: bytes) -> bool:
        if self._stopping.is_set():
            return self._drop("the spool is closed")
        if self._pending_bytes + len(line) > self._max_total_bytes:
            return self._drop("the spool has reached its limit; is the drainer running?")
        try:
            full = self._size and self._size + len(line) > self._max_segment_bytes
            if full or self._lost:
                self._rotate()
            written = os.write(self._fd, line)
            if written != len(line):
                # Half a line would swallow the next one. Nobody reads past the last newline.
                os.ftruncate(self._fd, self._size)
                return self._drop("the disk is full")
        except OSError as exc:
            return self._drop(exc.strerror or "write failed")
        self._size += written
        self._pending_bytes += written
        self._unsynced = True
        if self._dropping:
            self._dropping = False
            _log.warning("usage records are written again; %d were dropped", self._dropped)
        return True

    def sync(self) -> None:
        """Bring what was appended to the disk, and look at what became of the files.

        Belongs to the syncing thread: only it closes descriptors, so `append` needs no lock.
        """
        if self._unsynced:
            self._unsynced = False
            os.fsync(self._fd)
        while self._retired:
            full = self._retired.pop(0)
            try:
                os.fsync(full)
            finally:
                os.close(full)
        self._lost = os.fstat(self._fd).st_nlink == 0  # somebody removed the folder
        if self._unsynced_name and not self._lost:
            self._unsynced_name = False
            _sync_folder(self._dir)
        self._measure()

    def close(self) -> None:
        """Sync and let go of the segment, which is no more if nothing was appended to it. Closing
        twice is fine."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._syncer.join()
        self._sync_or_warn()
        if not self._size:
            self._active.unlink(missing_ok=True)
        os.close(self._fd)

    def _open_segment(self) -> int:
        self._sequence += 1
        name = f"{self._prefix}-{self._sequence:06d}{SUFFIX}"
        path, hidden = self._dir / name, self._dir / f".{name}"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        fd = os.open(hidden, flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            hidden.rename(path)
            self._active, self._unsynced_name = path, True
        except OSError:
            os.close(fd)
            raise
        return fd

    def _rotate(self) -> None:
        """The new segment is there before the old one is let go, so a failure changes nothing."""
        make_private_dirs(self._dir.parent)
        fresh = self._open_segment()
        self._retired.append(self._fd)
        self._fd, self._size, self._lost = fresh, 0, False

    def _drop(self, why: str) -> bool:
        self._dropped += 1
        if not self._dropping:
            self._dropping = True
            _log.error("usage records are being dropped: %s", why)
        return False

    def _measure(self) -> None:
        """Count what is on disk: the drainer and other workers change it."""
        total = 0
        for path in self._dir.glob(f"*{SUFFIX}"):
            try:
                total += path.stat().st_size
            except FileNotFoundError:  # drained in between
                continue
        self._pending_bytes = total

    def _sync_until_stopped(self, interval_s: float) -> None:
        while not self._stopping.wait(interval_s):
            self._sync_or_warn()

    def _sync_or_warn(self) -> None:
        try:
            self.sync()
        except OSError as exc:
            _log.warning("cannot sync the spool: %s", exc.strerror)


def _sync_folder(path: Path) -> None:
    """A file's name is on disk only after its folder is."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
