"""`omniroute sql`: questions to the usage database, while the server runs or not."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, cast

import click
import duckdb
from rich.console import Console

from omniroute.cli.options import check_files, config_files, config_option
from omniroute.cli.tabular import TextFormat, print_table, render_rows
from omniroute.errors import ConfigError, LedgerError, UsageError
from omniroute.ledger.database import database_path
from omniroute.ledger.queries import COLUMNS_SQL, freshen, open_ledger
from omniroute.ledger.spool import segments

Format = TextFormat | Literal["parquet"]

_FETCH_ROWS: Final = 1000
_FORMATS: Final = ("table", "csv", "json", "parquet", "markdown")
_SUFFIXES: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".json": "json",
    ".parquet": "parquet",
    ".md": "markdown",
}


@click.command("sql")
@click.argument("sql", required=False)
@config_option
@click.option(
    "-f",
    "--file",
    "script",
    type=click.Path(allow_dash=True, dir_okay=False),
    help="Read the SQL from a file; - is standard input.",
)
@click.option("--format", "form", type=click.Choice(_FORMATS), help="[default: table]")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="Write to a file; its ending chooses the format.",
)
@click.option("--data-dir", type=click.Path(file_okay=False), help="Wins over server.data_dir.")
@click.option(
    "--wait",
    "patience_s",
    type=click.FloatRange(min=0),
    default=5.0,  # a drain holds the file for some 100 ms
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for a program that has the database open.",
)
@click.option("--columns", is_flag=True, help="Show the views, their columns and units instead.")
def sql_command(
    sql: str | None,
    config: tuple[str, ...],
    script: str | None,
    form: str | None,
    output: str | None,
    data_dir: str | None,
    patience_s: float,
    *,
    columns: bool,
) -> None:
    """Ask the usage database a question in SQL.

    \b
      omniroute sql "SELECT model, sum(cost_usd) FROM requests GROUP BY 1"
      omniroute sql "FROM daily_usage WHERE day = current_date" --format csv
      omniroute sql -f report.sql -o report.parquet

    Reads only. A request that was just answered is there; the server may be running. Times are UTC.
    """
    statement = COLUMNS_SQL if columns else _statement(sql, script)
    chosen = cast("Format | None", form) or _SUFFIXES.get(Path(output or "").suffix, "table")
    if chosen == "parquet" and output is None and sys.stdout.isatty():
        raise UsageError("parquet is no text: give -o FILE, or send the output into a file")
    folder = Path(data_dir) if data_dir is not None else _configured_data_dir(config)
    if not database_path(folder).exists() and not segments(folder):
        raise LedgerError(
            f"no usage data in {folder}: no request has been served there yet; "
            "another folder can be given with --data-dir"
        )
    note = freshen(folder, patience_s=patience_s)
    if note is not None:
        click.echo(f"note: {note}", err=True)
    with open_ledger(folder, patience_s=patience_s) as connection:
        try:
            _answer(connection, statement, chosen, output)
        except duckdb.Error as exc:
            raise LedgerError(str(exc).strip()) from exc
        except BrokenPipeError:  # `| head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _statement(sql: str | None, script: str | None) -> str:
    if (sql is None) == (script is None):
        if sql is not None or sys.stdin.isatty():
            raise UsageError(
                'give one query, as text or with -f FILE: omniroute sql "FROM by_model"; '
                "`omniroute sql --columns` shows what there is"
            )
        script = "-"
    if sql is not None:
        return sql
    try:
        with click.open_file(script or "-", encoding="utf-8") as file:
            return file.read()
    except OSError as exc:
        raise UsageError(f"cannot read {script}: {exc.strerror}") from exc
    except UnicodeDecodeError:
        raise UsageError(f"{script} is not UTF-8") from None


def _configured_data_dir(config: tuple[str, ...]) -> Path:
    found = check_files(config_files(config)).config
    if found is None:
        raise ConfigError("the configuration has errors (see `omniroute check`); give --data-dir")
    return Path(found.server.data_dir)


def _answer(
    connection: duckdb.DuckDBPyConnection, statement: str, form: Format, output: str | None
) -> None:
    if form == "parquet":
        _write_parquet(connection, statement, output)
        return
    cursor = cast("duckdb.DuckDBPyConnection | None", connection.execute(statement))
    described = cursor.description if cursor is not None else None
    if cursor is None or described is None:
        raise UsageError("there is no query in the text")
    columns = [str(column[0]) for column in described]
    types = [str(column[1]) for column in described]
    if form == "table" and output is None and sys.stdout.isatty():
        print_table(Console(), columns, types, _rows(cursor))
        return
    pieces = render_rows(columns, types, _rows(cursor), form)
    if output is None:
        for piece in pieces:
            sys.stdout.write(piece)
        sys.stdout.flush()
        return
    try:
        with Path(output).open("w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)
    except OSError as exc:
        raise UsageError(f"cannot write {output}: {exc.strerror}") from exc


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[Sequence[Any]]:
    while rows := cursor.fetchmany(_FETCH_ROWS):
        yield from rows


def _write_parquet(
    connection: duckdb.DuckDBPyConnection, statement: str, output: str | None
) -> None:
    relation = cast("duckdb.DuckDBPyRelation | None", connection.sql(statement))
    if relation is None:
        raise UsageError("the statement has no rows to write")
    if output is not None:
        relation.write_parquet(output)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answer.parquet"
        relation.write_parquet(str(path))
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.buffer.flush()
