"""What commands share that read the usage database: where it is, what waits first, rows written."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, TypeVar

import click
import duckdb

from omniroute.cli.options import check_files, config_files, config_option
from omniroute.cli.tabular import TextFormat, print_table, render_rows
from omniroute.errors import ConfigError, LedgerError, UsageError
from omniroute.ledger.paths import database_path
from omniroute.ledger.queries import freshen
from omniroute.ledger.sandbox import open_sandbox, require_reading
from omniroute.ledger.spool import segments
from omniroute.worker.whereabouts import find_running

Format = TextFormat | Literal["parquet"]

F = TypeVar("F", bound=Callable[..., object])

_FETCH_ROWS: Final = 1000


def ledger_options(command: F) -> F:
    """`-c`, `--data-dir` and `--wait`; the command gets `config`, `data_dir` and `patience_s`."""
    wait = click.option(
        "--wait",
        "patience_s",
        type=click.FloatRange(min=0),
        default=5.0,  # a drain holds the file for some 100 ms
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for a program that has the database open.",
    )
    folder = click.option(
        "--data-dir", type=click.Path(file_okay=False), help="Wins over the server's folder."
    )
    return config_option(folder(wait(command)))


def folder_of(config: tuple[str, ...], data_dir: str | None) -> Path:
    """The folder that was given, else the running server's, else what the configuration says."""
    return Path(data_dir) if data_dir is not None else _data_dir(config)


def data_folder(config: tuple[str, ...], data_dir: str | None) -> Path:
    """As `folder_of`. Raises LedgerError where nothing was ever written."""
    folder = folder_of(config, data_dir)
    if not database_path(folder).exists() and not segments(folder):
        raise LedgerError(
            f"no usage data in {folder}: no request has been served there yet; "
            "another folder can be given with --data-dir"
        )
    return folder


def write_answer(
    folder: Path,
    statement: str,
    form: Format,
    output: str | None = None,
    *,
    patience_s: float,
) -> None:
    """The rows of a text that only reads, to a file or to standard output.

    What was answered just now is among them. Raises LedgerError with DuckDB's words, UsageError.
    """
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
            _write(connection, statement, form, output, Path(scratch))
        except duckdb.Error as exc:
            raise LedgerError(str(exc).strip()) from exc
        except BrokenPipeError:  # `| head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def read_answer(folder: Path, statement: str, *, patience_s: float) -> list[tuple[Any, ...]]:
    """The rows of a query of ours. Raises LedgerError."""
    freshen(folder, patience_s=patience_s)
    with open_sandbox(folder, patience_s=patience_s) as connection:
        return connection.execute(statement).fetchall()


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


def _write(
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
        with path.open("rb") as answer, sink(output) as file:
            shutil.copyfileobj(answer, file)
        return
    cursor = connection.execute(statement)
    described = cursor.description or ()
    columns = [str(column[0]) for column in described]
    types = [str(column[1]) for column in described]
    if form == "table" and output is None and sys.stdout.isatty():
        from rich.console import Console

        print_table(Console(), columns, types, fetched(cursor))
        return
    with sink(output) as file:
        for piece in render_rows(columns, types, fetched(cursor), form):
            file.write(piece.encode())


@contextmanager
def sink(output: str | None) -> Generator[BinaryIO]:
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


def fetched(cursor: duckdb.DuckDBPyConnection) -> Iterator[Sequence[Any]]:
    """The rows, of which few are held at a time."""
    while rows := cursor.fetchmany(_FETCH_ROWS):
        yield from rows
