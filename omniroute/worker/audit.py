"""Who changed the configuration: a file of entries, each of which vouches for the one before it.

A line is an entry as JSON; its `hash` is taken over the entry and with it over the hash of the
entry before, so that nothing can be changed or taken out in between without being seen
(`verify`). What is cut off at the end is seen by whoever has kept a later hash.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

_log = logging.getLogger("omniroute.audit")

AUDIT_FILE: Final = "audit.jsonl"
_BLOCK: Final = 64 << 10


class AuditChange(Struct, frozen=True, kw_only=True):
    """One value of the files, secrets masked; null where it was or is not there."""

    path: str
    before: Any
    after: Any


class AuditEntry(Struct, frozen=True, kw_only=True):
    """What happened to the configuration, or who tried to come in. `id` counts from 1."""

    id: int = 0
    time: datetime
    action: str
    """`config.change` through the API, `config.undone` when that could not be served,
    `config.rollback` to an earlier one, `config.reload` of files that others have changed,
    `login.failed` for a wrong password."""
    actor: str
    """`key:NAME`, `login:ROLE`, `files`, or `anybody` where no login is required."""
    address: str | None = None
    request_id: str | None = None
    target: str
    """What was asked, or why it was read again."""
    changes: tuple[AuditChange, ...] = ()
    digest_before: str | None
    digest_after: str
    commit: str | None = None
    """Of the git working tree that holds the files."""
    previous: str = ""
    """The hash of the entry before."""
    hash: str = ""

    def sealed(self, last: AuditEntry | None) -> AuditEntry:
        """Behind `last`, with its own hash."""
        number, previous = (1, "") if last is None else (last.id + 1, last.hash)
        entry = replace(self, id=number, previous=previous, hash="")
        return replace(entry, hash=hashlib.sha256(msgspec.json.encode(entry)).hexdigest())


class AuditLog:
    """Blocking; safe from any thread and any worker of the data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / AUDIT_FILE

    def append(self, entry: AuditEntry) -> None:
        """Durable when it returns. Raises OSError."""
        with self._locked() as file:
            self._write(file, entry.sealed(_last(file)))

    def note_state(self, entry: AuditEntry) -> None:
        """Append it unless the last one told of that state already. Raises OSError."""
        with self._locked() as file:
            last = _last(file)
            known = None if last is None else last.digest_after
            if known != entry.digest_after:
                self._write(file, replace(entry, digest_before=known).sealed(last))

    def newest(self, *, limit: int, before: int | None = None, about: str = "") -> list[AuditEntry]:
        """At most `limit` entries, newest first, of those with a smaller id than `before`, whose
        action begins with `about`."""
        found: list[AuditEntry] = []
        if not self._path.exists():
            return found
        with self._path.open("rb") as file:
            for line in _backwards(file):
                if len(found) == limit:
                    break
                entry = _read(line)
                if entry is None or not entry.action.startswith(about):
                    continue
                if before is None or entry.id < before:
                    found.append(entry)
        return found

    def verify(self) -> tuple[int, str | None]:
        """How many entries stand in an unbroken chain, and what is wrong with the next one."""
        last: AuditEntry | None = None
        if not self._path.exists():
            return 0, None
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                count = 0 if last is None else last.id
                entry = _read(line)
                if entry is None or not line.endswith(b"\n"):
                    return count, f"line {number} is no entry"
                if entry != entry.sealed(last):
                    return count, f"line {number} is not what was written behind entry {count}"
                last = entry
        return 0 if last is None else last.id, None

    @contextmanager
    def _locked(self) -> Generator[BinaryIO]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def _write(self, file: BinaryIO, entry: AuditEntry) -> None:
        end = _whole(file)
        if end != file.seek(0, os.SEEK_END):
            _log.warning("half an entry at the end of %s was never finished; cut off", self._path)
            file.truncate(end)
        file.seek(end)
        file.write(msgspec.json.encode(entry) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def differences(before: Any, after: Any, path: Sequence[str] = ()) -> Iterator[AuditChange]:
    """Where two trees of plain values differ, each as deep as both are maps."""
    if isinstance(before, dict) and isinstance(after, dict):
        old, new = cast("dict[str, Any]", before), cast("dict[str, Any]", after)
        for key in dict.fromkeys((*old, *new)):
            yield from differences(old.get(key), new.get(key), (*path, key))
    elif before != after:
        yield AuditChange(path=".".join(path), before=before, after=after)


def _last(file: BinaryIO) -> AuditEntry | None:
    """The last whole entry."""
    return next((entry for line in _backwards(file) if (entry := _read(line)) is not None), None)


def _read(line: bytes) -> AuditEntry | None:
    try:
        return msgspec.json.decode(line, type=AuditEntry)
    except msgspec.DecodeError:
        return None


def _whole(file: BinaryIO) -> int:
    """Where the last whole line ends."""
    at = file.seek(0, os.SEEK_END)
    while at > 0:
        start = max(0, at - _BLOCK)
        file.seek(start)
        newline = file.read(at - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        at = start
    return 0


def _backwards(file: BinaryIO) -> Iterator[bytes]:
    """Whole lines, the last one first."""
    at, rest = _whole(file), b""
    while at > 0:
        start = max(0, at - _BLOCK)
        file.seek(start)
        lines = (file.read(at - start) + rest).split(b"\n")
        at, rest = start, lines[0]
        yield from (line for line in reversed(lines[1:]) if line)
    if rest:
        yield rest
