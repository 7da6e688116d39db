"""Somebody else's SQL: it reads the usage database, and reaches nothing else.

Two walls, each enough by itself for what it covers: only statements that read are let through, and
the connection they run on is read-only, without files, network, extensions and settings.

Blocking. A single value that a function builds (`repeat('x', 2000000000)`) is seen by neither
DuckDB's memory limit nor its interrupt: what clients send runs in a process of its own (`cell`).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb

from omniroute.errors import LedgerBusyError, LedgerError, RequestError
from omniroute.ledger.database import first_line, open_patiently
from omniroute.ledger.paths import database_path
from omniroute.ledger.question import TOO_MUCH_MEMORY, Limits, too_slow

_READS: Final = frozenset(
    {
        duckdb.StatementType.SELECT,  # FROM, WITH, VALUES, DESCRIBE, SUMMARIZE, SHOW too
        duckdb.StatementType.EXPLAIN,
        duckdb.StatementType.MULTI,  # PIVOT, which counts its columns before it selects
    }
)
_FETCH_ROWS: Final = 100  # held as Python's values at one time
_NOTHING_ELSE: Final = "the query may read the usage database and nothing else"

# The sandbox lets nothing out but rows. Some of DuckDB's own tables would still tell paths and
# settings of the machine (`path` of duckdb_databases), which no question about usage needs.
_TELLS_OF_THE_MACHINE: Final = re.compile(
    r"\b(duckdb_(databases|settings|secrets|logs\w*|temporary_files|extensions)"
    r"|pragma\w*|which_secret|current_setting|read_duckdb)\b",
    re.IGNORECASE,
)


class Answer:
    """A query that runs. Rows are DuckDB's Python values: Decimal, datetime without zone (UTC)."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, sql: str, most: int) -> None:
        self._started = time.monotonic()
        self._cursor = connection.execute(sql)
        self._most = most
        described = self._cursor.description or ()
        self.columns = tuple(str(column[0]) for column in described)
        self.types = tuple(str(column[1]) for column in described)
        self.truncated = False
        """There were more rows than were taken; known once they were."""

    @property
    def elapsed_ms(self) -> float:
        return (time.monotonic() - self._started) * 1000

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """As they are computed: those beyond the limit never are."""
        left = self._most
        while fetched := self._cursor.fetchmany(_FETCH_ROWS):
            self.truncated = len(fetched) > left
            yield from fetched[:left]
            left -= len(fetched)
            if self.truncated:
                return


@contextmanager
def open_sandbox(
    data_dir: Path,
    *,
    patience_s: float,
    memory: str | None = None,
    threads: int | None = None,
    writable: Path | None = None,
) -> Generator[duckdb.DuckDBPyConnection]:
    """The database on a connection that can read its rows and do nothing else.

    `writable` is a folder that results may be written to, by the caller: see `require_reading`.
    `memory` (as "256MB") and `threads` are DuckDB's own without a value; nothing spills to disk.
    Raises LedgerError when there is no database, or it stays busy for `patience_s`.
    """
    path = database_path(data_dir)
    if not path.exists():
        raise LedgerError(f"no usage data in {data_dir}: no request has been served there yet")
    bounds = {"memory_limit": memory, "threads": threads}
    settings = {
        "python_enable_replacements": False,  # a table is a table, never a variable of ours
        "autoload_known_extensions": False,
        "autoinstall_known_extensions": False,
        "allow_community_extensions": False,
        "max_temp_directory_size": "0B",
    } | {name: value for name, value in bounds.items() if value is not None}
    with open_patiently(path, read_only=True, patience_s=patience_s, config=settings) as connection:
        if writable is not None:
            connection.execute("SET allowed_directories = [?]", [str(writable.resolve())])
        connection.execute("SET TimeZone = 'UTC'")  # as the rows have it: current_date is theirs
        connection.execute("SET enable_external_access = false")  # files, databases, the network
        connection.execute("SET lock_configuration = true")
        yield connection


def require_reading(sql: str) -> list[duckdb.Statement]:
    """The statements of a text that only read; none for an empty one.

    Raises LedgerError for any other kind, and duckdb.Error for what is no SQL.
    """
    try:
        sql.encode()
    except UnicodeEncodeError as exc:  # a lone surrogate; duckdb would raise a TypeError
        raise LedgerError("the query is not valid text") from exc
    statements = duckdb.extract_statements(sql)
    for statement in statements:
        if not _reads(statement):
            raise LedgerError(
                f"refused: {statement.query.split()[0][:20].upper()}: a query here only reads "
                "(SELECT, FROM, WITH, VALUES, PIVOT, DESCRIBE, SUMMARIZE, SHOW, EXPLAIN)"
            )
    return statements


def _reads(statement: duckdb.Statement) -> bool:
    try:
        return statement.type in _READS
    except ValueError:  # a kind that duckdb's Python side has no name for: UPDATE EXTENSIONS
        return False


@contextmanager
def open_answer(
    data_dir: Path,
    sql: str,
    limits: Limits,
) -> Generator[Answer]:
    """The answer to one SELECT that can read nothing but the usage database. Blocks.

    Raises RequestError, ready for a client: `invalid_request` for what is not one query or does not
    run, `timeout`, `unavailable` while the file is held by somebody else or does not exist.
    """
    _require_one_select(sql)
    if not database_path(data_dir).exists():
        raise RequestError("unavailable", "there is no usage data yet", retry_after_s=1)
    try:
        with (
            open_sandbox(
                data_dir,
                patience_s=limits.patience_s,
                memory=limits.memory,
                threads=limits.threads,
            ) as connection,
            _bounded(connection, limits.seconds),
        ):
            yield Answer(connection, sql, limits.rows)
    except LedgerBusyError as exc:
        message = "another program has the usage database open; try again"
        raise RequestError("unavailable", message, retry_after_s=1) from exc
    except LedgerError as exc:
        raise RequestError("internal", "the usage database cannot be read") from exc


@contextmanager
def _bounded(connection: duckdb.DuckDBPyConnection, seconds: float) -> Generator[None]:
    """What runs in the block is ended after its time; its failures become RequestErrors."""
    alarm = threading.Timer(seconds, connection.interrupt)
    alarm.daemon = True
    alarm.start()
    try:
        yield
    except duckdb.InterruptException as exc:
        raise too_slow(seconds) from exc
    except duckdb.Error as exc:
        raise RequestError("invalid_request", _explain(exc), param="sql") from exc
    finally:
        alarm.cancel()


def _require_one_select(sql: str) -> None:
    """Raises RequestError for anything but a single query."""
    try:
        statements = require_reading(sql)
    except (LedgerError, duckdb.Error) as exc:
        raise RequestError("invalid_request", _explain(exc), param="sql") from exc
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        message = "send exactly one SELECT statement (FROM, WITH, DESCRIBE, SUMMARIZE work too)"
        raise RequestError("invalid_request", message, param="sql")
    if _TELLS_OF_THE_MACHINE.search(sql):
        raise RequestError("invalid_request", _NOTHING_ELSE, param="sql")


def _explain(error: BaseException) -> str:
    """DuckDB's own words, but for those that could tell about the machine."""
    if isinstance(error, duckdb.PermissionException | duckdb.IOException):
        return _NOTHING_ELSE
    if isinstance(error, duckdb.OutOfMemoryException):
        return TOO_MUCH_MEMORY
    return first_line(error)
