"""Reading the usage database: freely for its owner, in a sandbox for whoever asks over HTTP.

Both see a request that was just answered: what waits in the spool is drained first.
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
from omniroute.ledger.database import (
    Settings,
    database_path,
    first_line,
    open_patiently,
    read_sql,
)
from omniroute.ledger.drain import Drainer
from omniroute.ledger.spool import segments

COLUMNS_SQL: Final = read_sql("columns.sql")
"""The views with their columns, types and meanings."""


_NOTHING_ELSE: Final = "the query may read the usage database and nothing else"

# The sandbox below lets nothing out but rows. Some of DuckDB's own tables would still tell paths
# and settings of the machine (`path` of duckdb_databases), which no question about usage needs.
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


class Answer(Struct, frozen=True, kw_only=True):
    """Rows as DuckDB's Python values: Decimal, datetime without zone (UTC), dict, list."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool
    """There were more rows than the limit."""
    elapsed_ms: float


def freshen(data_dir: Path, *, patience_s: float) -> str | None:
    """Drain what waits, so that reading sees it; words for people when that was not possible."""
    if not segments(data_dir):
        return None
    try:
        result = Drainer(data_dir).drain_all(patience_s=patience_s)
    except LedgerError as exc:
        return f"the newest requests may be missing: {exc}"
    if result.outcome == "busy":
        return "the newest requests may be missing: another program has the database open"
    return None


@contextmanager
def open_ledger(data_dir: Path, *, patience_s: float) -> Generator[duckdb.DuckDBPyConnection]:
    """The database read-only, for its owner. Raises LedgerError when there is none yet."""
    path = database_path(data_dir)
    if not path.exists():
        raise LedgerError(f"no usage data in {data_dir}: no request has been served there yet")
    with open_patiently(path, read_only=True, patience_s=patience_s) as connection:
        yield connection


def run_sandboxed(data_dir: Path, sql: str, limits: Limits) -> Answer:
    """The rows of one SELECT that can read nothing but the usage database. Blocks.

    Raises RequestError, ready for a client: `invalid_request` for what is not one query or does not
    run, `timeout`, `unavailable` while the file is held by somebody else or does not exist.
    """
    _require_one_select(sql)
    path = database_path(data_dir)
    freshen(data_dir, patience_s=limits.patience_s)
    if not path.exists():
        raise RequestError("unavailable", "there is no usage data yet")
    started = time.monotonic()
    try:
        with open_patiently(
            path, read_only=True, patience_s=limits.patience_s, config=_sandbox(limits)
        ) as connection:
            columns, types, rows = _fetch(connection, sql, limits)
    except LedgerBusyError as exc:
        message = "another program has the usage database open; try again"
        raise RequestError("unavailable", message, retry_after_s=1) from exc
    except LedgerError as exc:
        raise RequestError("internal", "the usage database cannot be read") from exc
    return Answer(
        columns=columns,
        types=types,
        rows=tuple(rows[: limits.rows]),
        truncated=len(rows) > limits.rows,
        elapsed_ms=(time.monotonic() - started) * 1000,
    )


def _sandbox(limits: Limits) -> Settings:
    return {
        "enable_external_access": False,  # files, other databases, the network, extensions
        "python_enable_replacements": False,
        "autoload_known_extensions": False,
        "autoinstall_known_extensions": False,
        "allow_community_extensions": False,
        "max_temp_directory_size": "0B",
        "memory_limit": limits.memory,
        "threads": limits.threads,
        "lock_configuration": True,
    }


def _require_one_select(sql: str) -> None:
    """Raises RequestError for anything but a single statement that reads."""
    try:
        sql.encode()
    except UnicodeEncodeError as exc:  # a lone surrogate; duckdb would raise a TypeError
        raise RequestError("invalid_request", "the query is not valid text", param="sql") from exc
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as exc:
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
