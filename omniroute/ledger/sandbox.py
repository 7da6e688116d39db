"""Somebody else's SQL: it reads the usage database, and reaches nothing else.

Two walls, each enough by itself for what it covers: only statements that read are let through, and
the connection they run on is read-only, without files, network, extensions and settings.

Blocking. A single value that a function builds (`repeat('x', 2000000000)`) is seen by neither
DuckDB's memory limit nor its interrupt: what clients send has to run in a process with a limit of
its own, which is killed after its time.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
from msgspec import Struct

from omniroute.errors import LedgerBusyError, LedgerError, RequestError
from omniroute.ledger.database import database_path, first_line, open_patiently
from omniroute.ledger.queries import freshen

_READS: Final = frozenset(
    {
        duckdb.StatementType.SELECT,  # FROM, WITH, VALUES, DESCRIBE, SUMMARIZE, SHOW too
        duckdb.StatementType.EXPLAIN,
        duckdb.StatementType.MULTI,  # PIVOT, which counts its columns before it selects
    }
)
_NOTHING_ELSE: Final = "the query may read the usage database and nothing else"

# The sandbox lets nothing out but rows. Some of DuckDB's own tables would still tell paths and
# settings of the machine (`path` of duckdb_databases), which no question about usage needs.
_TELLS_OF_THE_MACHINE: Final = re.compile(
    r"\b(duckdb_(databases|settings|secrets|logs\w*|temporary_files|extensions)"
    r"|pragma\w*|which_secret|current_setting|read_duckdb)\b",
    re.IGNORECASE,
)


class Limits(Struct, frozen=True, kw_only=True):
    """What one sandboxed query may take."""

    rows: int = 10_000
    seconds: float = 10.0
    memory: str = "256MB"
    threads: int = 1
    patience_s: float = 2.0
    """How long to wait for a drain that holds the file."""


class QueryResult(Struct, frozen=True, kw_only=True):
    """Rows as DuckDB's Python values: Decimal, datetime without zone (UTC), dict, list."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool
    """There were more rows than the limit."""
    elapsed_ms: float


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


def run_sandboxed(data_dir: Path, sql: str, limits: Limits) -> QueryResult:
    """The rows of one SELECT that can read nothing but the usage database. Blocks.

    Raises RequestError, ready for a client: `invalid_request` for what is not one query or does not
    run, `timeout`, `unavailable` while the file is held by somebody else or does not exist.
    """
    _require_one_select(sql)
    freshen(data_dir, patience_s=limits.patience_s)
    if not database_path(data_dir).exists():
        raise RequestError("unavailable", "there is no usage data yet")
    started = time.monotonic()
    try:
        with open_sandbox(
            data_dir,
            patience_s=limits.patience_s,
            memory=limits.memory,
            threads=limits.threads,
        ) as connection:
            columns, types, rows = _fetch(connection, sql, limits)
    except LedgerBusyError as exc:
        message = "another program has the usage database open; try again"
        raise RequestError("unavailable", message, retry_after_s=1) from exc
    except LedgerError as exc:
        raise RequestError("internal", "the usage database cannot be read") from exc
    return QueryResult(
        columns=columns,
        types=types,
        rows=tuple(rows[: limits.rows]),
        truncated=len(rows) > limits.rows,
        elapsed_ms=(time.monotonic() - started) * 1000,
    )


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


def _fetch(
    connection: duckdb.DuckDBPyConnection, sql: str, limits: Limits
) -> tuple[tuple[str, ...], tuple[str, ...], list[tuple[Any, ...]]]:
    alarm = threading.Timer(limits.seconds, connection.interrupt)
    alarm.daemon = True
    alarm.start()
    try:
        cursor = connection.execute(sql)
        described = cursor.description or ()
        rows = cursor.fetchmany(limits.rows + 1)  # results stream: the rest is never computed
    except duckdb.InterruptException as exc:
        message = f"the query took longer than {limits.seconds:g} s"
        raise RequestError("timeout", message, param="sql") from exc
    except duckdb.Error as exc:
        raise RequestError("invalid_request", _explain(exc), param="sql") from exc
    finally:
        alarm.cancel()
    return (
        tuple(str(column[0]) for column in described),
        tuple(str(column[1]) for column in described),
        rows,
    )


def _explain(error: BaseException) -> str:
    """DuckDB's own words, but for those that could tell about the machine."""
    if isinstance(error, duckdb.PermissionException | duckdb.IOException):
        return _NOTHING_ELSE
    if isinstance(error, duckdb.OutOfMemoryException):
        return "the query needs more memory than it may take"
    return first_line(error)
