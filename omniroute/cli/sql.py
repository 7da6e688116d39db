"""`omniroute sql`: questions to the usage database, while the server runs or not."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, cast

import click
import duckdb

from omniroute.cli.options import check_files, config_files, config_option
from omniroute.cli.tabular import TextFormat, print_table, render_rows
from omniroute.errors import ConfigError, LedgerError, UsageError
from omniroute.ledger.database import database_path
from omniroute.ledger.queries import COLUMNS_SQL, freshen
from omniroute.ledger.sandbox import open_sandbox, require_reading
from omniroute.ledger.spool import segments
from omniroute.worker.whereabouts import find_running

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
@click.option("--data-dir", type=click.Path(file_okay=False), help="Wins over the server's folder.")
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

    Reads only: statements that change, load or fetch anything are refused. A request that was just
    answered is there; the server may be running. Times are UTC.
    """
    statement = COLUMNS_SQL if columns else _statement(sql, script)
    chosen = cast("Format | None", form) or _format_of(output)
    if chosen == "parquet" and output is None and sys.stdout.isatty():
        raise UsageError("parquet is no text: give -o FILE, or send the output into a file")
    folder = Path(data_dir) if data_dir is not None else _data_dir(config)
    if not database_path(folder).exists() and not segments(folder):
        raise LedgerError(
            f"no usage data in {folder}: no request has been served there yet; "
            "another folder can be given with --data-dir"
        )
    note = freshen(folder, patience_s=patience_s)
    if note is not None:
        click.echo(f"note: {note}", err=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        open_sandbox(folder, patience_s=patience_s, writable=Path(scratch)) as connection,
    ):
        try:
            if not require_reading(statement):
                raise UsageError("there is no query in the text")
            _answer(connection, statement, chosen, output, Path(scratch))
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


def _format_of(output: str | None) -> Format:
    """What the file's ending asks for; UsageError for an ending that says nothing."""
    if output is None:
        return "table"
    chosen = _SUFFIXES.get(Path(output).suffix.lower())
    if chosen is None:
        known = ", ".join(_SUFFIXES)
        raise UsageError(f"{output}: no format ends like that ({known} do); or give --format")
    return chosen


def _data_dir(config: tuple[str, ...]) -> Path:
    """The running server's, else what the configuration says."""
    files = config_files(config)
    running = find_running(files)
    if running is not None:
        return running
    found = check_files(files).config
    if found is None:
        raise ConfigError("the configuration has errors (see `omniroute check`); give --data-dir")
    return Path(found.server.data_dir)


def _answer(
    connection: duckdb.DuckDBPyConnection,
    statement: str,
    form: Format,
    output: str | None,
    scratch: Path,
) -> None:
    if form == "parquet":
        # DuckDB may write into the scratch folder alone; where the answer goes is ours to write.
        path = scratch / "answer.parquet"
        connection.sql(statement).write_parquet(str(path))
        with path.open("rb") as answer, _sink(output) as file:
            shutil.copyfileobj(answer, file)
        return
    cursor = connection.execute(statement)
    described = cursor.description or ()
    columns = [str(column[0]) for column in described]
    types = [str(column[1]) for column in described]
    if form == "table" and output is None and sys.stdout.isatty():
        from rich.console import Console

        print_table(Console(), columns, types, _rows(cursor))
        return
    with _sink(output) as file:
        for piece in render_rows(columns, types, _rows(cursor), form):
            file.write(piece.encode())


@contextmanager
def _sink(output: str | None) -> Generator[BinaryIO]:
    """The file that was asked for, or standard output."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with Path(output).open("wb") as file:
            yield file
    except OSError as exc:
        raise UsageError(f"cannot write {output}: {exc.strerror}") from exc


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[Sequence[Any]]:
    while rows := cursor.fetchmany(_FETCH_ROWS):
        yield from rows
