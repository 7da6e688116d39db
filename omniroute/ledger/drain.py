"""From the spool into DuckDB, each line exactly once.

A drain opens the file, reads how far each segment was drained, inserts the lines behind that and
writes the new offsets in the same transaction, then closes the file. Only afterwards does it delete
the segments that are closed and drained to their end. So a crash at any point leaves either a
transaction that never was, or a drained segment whose offset says so.

One drain at a time, of all workers and commands, holds the flock on `<data_dir>/drain.lock`. While
somebody else keeps the database open, nothing is lost: the spool waits.

No line stops a drain. What cannot be read, or DuckDB refuses, goes to the quarantine in the same
step; the rest of the batch goes in.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb
import msgspec
from msgspec import Struct

from omniroute.errors import LedgerBusyError, LedgerError
from omniroute.ledger.backlog import Backlog, lock, opened
from omniroute.ledger.database import create_database, first_line, migrate, open_database
from omniroute.ledger.drains import EXPIRE_ROWS, Drains
from omniroute.ledger.event import is_event, parse_event
from omniroute.ledger.orders import DrainResult
from omniroute.ledger.paths import database_path, read_sql
from omniroute.ledger.quarantine import Refused, keep
from omniroute.ledger.record import cut, parse_line
from omniroute.ledger.spool import make_private_dirs, segments

BATCH_BYTES: Final = 16 << 20
"""Some 20,000 rows, for which the file is held for about half a second: with less of them, opening
and checkpoint cost more than the rows do."""
MAX_LINE_BYTES: Final = 1 << 20

_BATCH_SQL: Final = read_sql("batch.sql")
_REQUESTS_SQL: Final = read_sql("insert_requests.sql")
_ATTEMPTS_SQL: Final = read_sql("insert_attempts.sql")
_EVENTS_SQL: Final = read_sql("insert_events.sql")
_QUARANTINED_SQL: Final = read_sql("insert_quarantined.sql")

_REFUSALS: Final = (duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException)
"""DuckDB says these of a value. Anything else is about the file, the disk or the schema, and the
spool waits: a mistake there must not send every line into the quarantine."""

_log = logging.getLogger("omniroute.ledger")


class _Portion(Struct, frozen=True, kw_only=True):
    """Whole lines of one segment, from one offset to the next."""

    segment: Path
    start: int
    lines: tuple[bytes, ...]
    end: int
    stepped_over: tuple[Refused, ...] = ()
    """What is known to be no record without reading: half a line at the end, a hole."""
    at_end: bool
    """There was room for all that the segment holds now."""
    closed: bool
    """Nobody writes to the segment any more."""


class _Rows(Struct, frozen=True, kw_only=True):
    """What a portion comes to."""

    lines: list[str]
    """Records of requests."""
    events: list[str]
    refused: list[Refused]


class Drainer(Drains):
    """Moves one data_dir's spool into its database. Blocking; safe to call from any thread."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._path = database_path(data_dir)
        self._turn = threading.Lock()
        self._backlog = Backlog(data_dir)

    def drain_once(self) -> DrainResult:
        with self._turn, self._only_drain() as alone:
            if not alone:
                return DrainResult(outcome="busy")
            if not self._backlog.waits():
                return DrainResult(outcome="idle")
            try:
                return self._drain()
            except LedgerBusyError:
                return DrainResult(outcome="busy", more=True)
            except OSError as exc:
                raise LedgerError(f"cannot empty the spool: {exc}") from exc

    def create(self) -> None:
        """The database where there is none yet, so that it can be read before the first row."""
        if self._path.exists():
            return
        with self._turn, self._only_drain() as alone:
            if alone and not self._path.exists():
                create_database(self._path)

    def expire(self, before: datetime) -> int:
        if not self._path.exists():
            return 0
        with self._turn, self._only_drain() as alone:
            if not alone:
                raise LedgerBusyError("a drain is running")
            with open_database(self._path, read_only=False) as connection:
                migrate(connection)
                return _expire(connection, before.astimezone(UTC).replace(tzinfo=None))

    @contextmanager
    def _only_drain(self) -> Generator[bool]:
        """Whether this is the only drain on the data_dir while the block runs."""
        try:
            make_private_dirs(self._data_dir)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            fd = os.open(self._data_dir / "drain.lock", flags, 0o600)
        except OSError as exc:
            raise LedgerError(f"cannot write to {self._data_dir}: {exc.strerror}") from exc
        try:
            yield lock(fd)
        finally:
            os.close(fd)

    def _drain(self) -> DrainResult:
        started = time.monotonic()
        if not self._path.exists():
            create_database(self._path)
        with open_database(self._path, read_only=False) as connection:
            migrate(connection)
            offsets: dict[str, int] = dict(
                connection.execute(
                    "SELECT segment, drained_bytes FROM raw.spool_offsets"
                ).fetchall()
            )
            portions, more = self._read(offsets)
            ends = {portion.segment.name: portion.end for portion in portions}
            try:
                rows, refused = self._commit(connection, portions, ends)
            except _REFUSALS:
                connection.execute("ROLLBACK")
                rows, refused = self._commit_in_pieces(connection, portions)
        held_s = time.monotonic() - started
        self._backlog.drained(ends)
        finished = [portion.segment for portion in portions if portion.closed and portion.at_end]
        for segment in finished:
            segment.unlink(missing_ok=True)
        return DrainResult(
            outcome="done",
            rows=rows,
            quarantined=refused,
            segments_deleted=len(finished),
            held_s=held_s,
            more=more,
            offsets=ends,
        )

    def _commit(
        self,
        connection: duckdb.DuckDBPyConnection,
        portions: Sequence[_Portion],
        offsets: Mapping[str, int],
    ) -> tuple[int, int]:
        """The portions in one transaction that leaves those offsets: how many rows, how many lines
        refused.

        Raises one of _REFUSALS when DuckDB takes a line for none, with nothing kept.
        """
        sifted = [_sift(portion) for portion in portions]
        lines = [line for rows in sifted for line in rows.lines]
        events = [line for rows in sifted for line in rows.events]
        connection.execute("BEGIN")
        if lines:
            connection.execute(_BATCH_SQL, [lines])
            connection.execute(_REQUESTS_SQL)
            connection.execute(_ATTEMPTS_SQL)
        if events:
            connection.execute(_EVENTS_SQL, [events])
        _write_offsets(connection, offsets)
        for portion, rows in zip(portions, sifted, strict=True):
            self._quarantine(connection, portion, rows.refused)
        connection.execute("COMMIT")
        return len(lines) + len(events), sum(len(rows.refused) for rows in sifted)

    def _commit_in_pieces(
        self, connection: duckdb.DuckDBPyConnection, portions: Sequence[_Portion]
    ) -> tuple[int, int]:
        """As `_commit`, with the lines that DuckDB refuses found by halving and set aside."""
        offsets = {portion.segment.name: portion.start for portion in portions}
        rows = refused = 0
        for portion in portions:
            name = portion.segment.name
            rest: _Portion | None = portion
            size = len(portion.lines)
            while rest is not None:
                piece, after = _split(rest, size)
                offsets[name] = piece.end
                try:
                    added = self._commit(connection, [piece], offsets)
                except _REFUSALS as exc:
                    connection.execute("ROLLBACK")
                    if len(piece.lines) > 1:
                        size = len(piece.lines) // 2
                        continue
                    added = self._commit(connection, [_refuse(piece, exc)], offsets)
                rows += added[0]
                refused += added[1]
                rest = after
                size = max(1, size * 2)
        return rows, refused

    def _quarantine(
        self,
        connection: duckdb.DuckDBPyConnection,
        portion: _Portion,
        refused: Sequence[Refused],
    ) -> None:
        if not refused:
            return
        path = keep(self._data_dir, portion.segment, portion.start, refused)
        what, why = f"{len(refused)} lines of the spool are no rows", refused[0].reason
        connection.execute(_QUARANTINED_SQL, [path.name, cut(f"{what}: {why}")])
        _log.warning("%s and are kept in %s: %s", what, path, why)

    def _read(self, offsets: dict[str, int]) -> tuple[list[_Portion], bool]:
        """One portion per segment, in all about BATCH_BYTES; whether more is waiting."""
        portions: list[_Portion] = []
        room = BATCH_BYTES
        for segment in segments(self._data_dir):
            portion = _read_segment(segment, start=offsets.get(segment.name, 0), room=room)
            if portion is None:
                continue
            room = max(room - (portion.end - portion.start), 0)
            portions.append(portion)
        return portions, not all(portion.at_end for portion in portions)


def _read_segment(segment: Path, *, start: int, room: int) -> _Portion | None:
    """Whole lines from `start` on, as far as there is room; None for a segment that is gone."""
    with opened(segment) as fd:
        if fd is None:
            return None
        closed = lock(fd)  # asked before reading: nothing can come after what is read then
        size = os.fstat(fd).st_size
        data = os.pread(fd, room, start)
    end = start + data.rfind(b"\n") + 1
    at_end = start + len(data) >= size
    rest = data[end - start :]
    stepped_over: tuple[Refused, ...] = ()
    if rest and at_end and closed:
        stepped_over = (Refused.of(rest, offset=end, reason="half a line: its writer ended"),)
    elif not at_end and len(rest) == len(data) >= MAX_LINE_BYTES:
        # No record is that long; a broken disk left it.
        reason = f"{len(rest)} bytes without a newline"
        stepped_over = (Refused.of(rest, offset=end, reason=reason),)
    return _Portion(
        segment=segment,
        start=start,
        lines=tuple(data[: end - start].split(b"\n")[:-1]),
        end=end + len(rest) if stepped_over else end,
        stepped_over=stepped_over,
        at_end=at_end,
        closed=closed,
    )


def _sift(portion: _Portion) -> _Rows:
    """The lines that are records, and those that are not."""
    lines: list[str] = []
    events: list[str] = []
    refused: list[Refused] = []
    offset = portion.start
    for line in portion.lines:
        try:
            kept, parse = (events, parse_event) if is_event(line) else (lines, parse_line)
            parse(line)
            kept.append(line.decode())  # in fields of a newer version nobody has looked yet
        except ValueError as exc:
            refused.append(Refused.of(line, offset=offset, reason=f"no record: {exc}"))
        offset += len(line) + 1
    refused += portion.stepped_over
    return _Rows(lines=lines, events=events, refused=refused)


def _split(portion: _Portion, count: int) -> tuple[_Portion, _Portion | None]:
    """Its first lines, and what comes behind them; with all of its lines it stays whole."""
    if count >= len(portion.lines):
        return portion, None
    lines, others = portion.lines[:count], portion.lines[count:]
    end = portion.start + sum(map(len, lines)) + count
    return (
        msgspec.structs.replace(portion, lines=lines, end=end, stepped_over=()),
        msgspec.structs.replace(portion, lines=others, start=end),
    )


def _refuse(portion: _Portion, error: duckdb.Error) -> _Portion:
    """The portion of one line, as one that has none."""
    (line,) = portion.lines
    why = Refused.of(line, offset=portion.start, reason=f"refused: {first_line(error)}")
    return msgspec.structs.replace(portion, lines=(), stepped_over=(why, *portion.stepped_over))


def _write_offsets(connection: duckdb.DuckDBPyConnection, offsets: Mapping[str, int]) -> None:
    # Offsets of segments that are gone go too: their names never come back.
    connection.execute("DELETE FROM raw.spool_offsets")
    connection.execute(
        "INSERT INTO raw.spool_offsets SELECT unnest(?::VARCHAR[]), unnest(?::BIGINT[])",
        [list(offsets), list(offsets.values())],
    )


def _expire(connection: duckdb.DuckDBPyConnection, before: datetime) -> int:
    """How many rows of the table that had most to delete, at most EXPIRE_ROWS."""
    deleted = 0
    connection.execute("BEGIN")
    for table in ("attempts", "requests", "events"):
        rows = connection.execute(
            f"DELETE FROM raw.{table} WHERE rowid IN "  # noqa: S608 - one of the names above
            f"(SELECT rowid FROM raw.{table} WHERE time < ? LIMIT {EXPIRE_ROWS}) RETURNING 1",
            [before],
        ).fetchall()
        deleted = max(deleted, len(rows))
    connection.execute("COMMIT")
    return deleted
