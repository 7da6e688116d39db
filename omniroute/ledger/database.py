"""The database file: opening it without holding it, and bringing its schema up to date.

DuckDB lets one process write, or several read, never both. So everybody opens the file late, for
one piece of work, and closes it; who comes at the wrong moment gets a LedgerBusyError and tries
again (`open_patiently`).
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import duckdb

from omniroute.errors import LedgerBusyError, LedgerError
from omniroute.ledger.engine import writing
from omniroute.ledger.paths import RETRY_S, SQL

Settings = Mapping[str, str | int | bool]

_READER: Final[Settings] = {
    "python_enable_replacements": False,  # a table is a table, never a variable of ours
}

_open_here: Final[set[Path]] = set()
_changing: Final = threading.Lock()


@contextmanager
def open_database(
    path: Path, *, read_only: bool, config: Settings | None = None
) -> Generator[duckdb.DuckDBPyConnection]:
    """A connection, closed at the end; duckdb's own errors leave as LedgerError.

    `config` is for reading. Raises LedgerBusyError when somebody else has the file open in a way
    that excludes this, or anybody in this process.
    """
    with _alone_here(path), _as_ledger_errors(), ExitStack() as stack:
        try:
            connection = stack.enter_context(
                duckdb.connect(str(path), read_only=True, config=dict(config or _READER))
                if read_only
                else writing(path)
            )
        except duckdb.Error as exc:
            if "Could not set lock" in str(exc):
                raise LedgerBusyError(f"{path} is open in another process") from exc
            raise LedgerError(f"cannot open {path}: {first_line(exc)}") from exc
        yield connection


@contextmanager
def _as_ledger_errors() -> Generator[None]:
    try:
        yield
    except duckdb.Error as exc:
        raise LedgerError(first_line(exc)) from exc


@contextmanager
def _alone_here(path: Path) -> Generator[None]:
    """The file for one piece of work of this process, as `engine` asks for."""
    real = path.resolve()
    with _changing:
        if real in _open_here:
            raise LedgerBusyError(f"{path} is open in this process")
        _open_here.add(real)
    try:
        yield
    finally:
        _open_here.discard(real)


@contextmanager
def open_patiently(
    path: Path,
    *,
    read_only: bool,
    patience_s: float,
    config: Settings | None = None,
) -> Generator[duckdb.DuckDBPyConnection]:
    """As `open_database`, trying again for `patience_s` while the file is busy. Blocks."""
    give_up = time.monotonic() + patience_s
    while True:
        opening = open_database(path, read_only=read_only, config=config)
        try:
            connection = opening.__enter__()
        except LedgerBusyError:
            if time.monotonic() >= give_up:
                raise
            time.sleep(RETRY_S)
            continue
        break
    try:
        yield connection
    except BaseException as exc:
        if not opening.__exit__(type(exc), exc, exc.__traceback__):
            raise
    else:
        opening.__exit__(None, None, None)


def create_database(path: Path) -> None:
    """An empty database for the owner alone, there as a whole or not at all.

    DuckDB takes a file whose maker was killed for no database, and nobody could write any more.
    """
    draft = path.with_name(f".{path.name}.draft")
    for left in (draft, draft.with_name(f"{draft.name}.wal")):
        left.unlink(missing_ok=True)
    with open_database(draft, read_only=False) as connection:
        draft.chmod(0o600)
        migrate(connection)
    draft.rename(path)


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring the schema to this version's; each step in its own transaction.

    Raises LedgerError for a file that a newer version has changed.
    """
    connection.execute("CREATE SCHEMA IF NOT EXISTS raw")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS raw.migrations "
        "(name VARCHAR NOT NULL, digest VARCHAR NOT NULL, applied TIMESTAMP NOT NULL)"
    )
    rows = connection.execute("SELECT name, digest FROM raw.migrations").fetchall()
    applied: dict[str, str] = dict(rows)
    steps = _steps("schema")
    unknown = set(applied) - set(steps) - {"views"}
    if unknown:
        raise LedgerError(
            f"the usage database was written by a newer version (it has {', '.join(unknown)})"
        )
    for name, sql in steps.items():
        if name not in applied:
            _apply(connection, name, sql)
    views = "\n".join(_steps("views").values())
    if applied.get("views") != _digest(views):
        _apply(connection, "views", views)


def first_line(error: BaseException) -> str:
    """DuckDB appends the statement, with a caret, to some messages."""
    return str(error).strip().partition("\n")[0]


def _apply(connection: duckdb.DuckDBPyConnection, name: str, sql: str) -> None:
    connection.execute("BEGIN")
    connection.execute(sql)
    connection.execute("DELETE FROM raw.migrations WHERE name = ?", [name])
    connection.execute(
        "INSERT INTO raw.migrations VALUES (?, ?, CAST(now() AT TIME ZONE 'UTC' AS TIMESTAMP))",
        [name, _digest(sql)],
    )
    connection.execute("COMMIT")


@cache
def _steps(folder: str) -> Mapping[str, str]:
    """The folder's SQL files by name, in order."""
    found = sorted((SQL / folder).iterdir(), key=lambda file: file.name)
    return {
        file.name.removesuffix(".sql"): file.read_text(encoding="utf-8")
        for file in found
        if file.name.endswith(".sql")
    }


def _digest(sql: str) -> str:
    return hashlib.sha256(sql.encode()).hexdigest()
