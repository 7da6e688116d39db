"""`omniroute export`: the usage data as files for other programs, a day at a time or in one."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import click
import duckdb

from omniroute.cli.reading import data_folder, fetched, ledger_options
from omniroute.errors import LedgerError, UsageError
from omniroute.ledger.named import moment_sql
from omniroute.ledger.queries import freshen
from omniroute.ledger.rendering import csv_lines, exact
from omniroute.ledger.sandbox import open_sandbox

_VIEWS: Final = ("requests", "attempts", "events")
_BEGINS_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@click.command("export")
@click.argument("to", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "csv"]),
    default="parquet",
    show_default=True,
    help="Of the files in a folder.",
)
@click.option(
    "--since",
    default="30d",
    show_default=True,
    metavar="MOMENT",
    help="today, a time span (24h, 7d), a day or an instant, in UTC.",
)
@ledger_options
def export_command(
    to: Path,
    form: str,
    since: str,
    config: tuple[str, ...],
    data_dir: str | None,
    patience_s: float,
) -> None:
    """Write the usage data to Parquet or CSV by day, or into one SQLite file.

    TO is a folder, with a file for each UTC day of requests, attempts and events; or, where it ends
    in .sqlite, the one file for all.

    \b
      omniroute export usage-files --since 7d
      omniroute export usage-files --format csv --since 2026-11-01
      omniroute export usage.sqlite

    A file that is there already is replaced, as a whole. In CSV, text that a spreadsheet would take
    for a formula has ' before it. The server may be running.
    """
    try:
        moment = moment_sql(since)
    except ValueError as exc:
        raise UsageError(str(exc)) from exc
    folder = data_folder(config, data_dir)
    note = freshen(folder, patience_s=patience_s)
    if note is not None:
        click.echo(f"note: {note}", err=True)
    as_sqlite = to.suffix == ".sqlite"
    target = to.parent if as_sqlite else to
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise UsageError(f"cannot write to {target}: {exc.strerror}") from exc
    with (
        tempfile.TemporaryDirectory(dir=target, prefix=".export-") as scratch,
        open_sandbox(folder, patience_s=patience_s, writable=Path(scratch)) as connection,
    ):
        draft = Path(scratch) / "draft"
        try:
            if as_sqlite:
                _write_sqlite(connection, draft, moment)
                draft.rename(to)
                click.echo(to)
                return
            for view in _VIEWS:
                for day in _days(connection, view, moment):
                    query = f"FROM {view} WHERE CAST(time AS DATE) = DATE '{day}' ORDER BY time"
                    _WRITE[form](connection, query, draft)
                    path = to / f"{view}-{day}.{form}"
                    draft.rename(path)
                    click.echo(path)
        except duckdb.Error as exc:
            raise LedgerError(str(exc).strip()) from exc


def _days(connection: duckdb.DuckDBPyConnection, view: str, moment: str) -> list[date]:
    """Those of which there are rows since the moment, as a whole."""
    sql = (
        f"SELECT DISTINCT CAST(time AS DATE) AS day FROM {view} "  # noqa: S608 - our own names
        f"WHERE CAST(time AS DATE) >= CAST({moment} AS DATE) ORDER BY day"
    )
    return [day for (day,) in connection.execute(sql).fetchall()]


def _write_parquet(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    connection.sql(query).write_parquet(str(path))


def _write_csv(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    cursor = connection.execute(query)
    columns = [str(column[0]) for column in cursor.description or ()]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(csv_lines(columns, (list(map(_tame, row)) for row in fetched(cursor))))


_WRITE: Final[dict[str, Callable[[duckdb.DuckDBPyConnection, str, Path], None]]] = {
    "parquet": _write_parquet,
    "csv": _write_csv,
}


def _tame(value: Any) -> Any:
    """Clients choose what many cells hold, and people open them in spreadsheets."""
    if isinstance(value, str) and value.startswith(_BEGINS_FORMULA):
        return f"'{value}"
    return value


def _write_sqlite(connection: duckdb.DuckDBPyConnection, path: Path, moment: str) -> None:
    """Each view as a table; what SQLite has no type for is text, maps and lists are JSON."""
    with closing(sqlite3.connect(path)) as database, database:
        for view in _VIEWS:
            cursor = connection.execute(f"FROM {view} WHERE time >= {moment} ORDER BY time")
            columns = [f'"{column[0]}"' for column in cursor.description or ()]
            database.execute(f"CREATE TABLE {view} ({', '.join(columns)})")
            places = ", ".join("?" * len(columns))
            database.executemany(
                f"INSERT INTO {view} VALUES ({places})",  # noqa: S608 - our own names
                (list(map(_plain, row)) for row in fetched(cursor)),
            )


def _plain(value: Any) -> str | int | float | None:
    if isinstance(value, Decimal):
        return float(value)
    return value if isinstance(value, str | int | float | None) else exact(value)
