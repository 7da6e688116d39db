"""`omniroute formats`: the wire formats that the tables describe."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
import msgspec

from omniroute.active.shelf import shelf
from omniroute.active.tables import USER_FOLDER, read_tables
from omniroute.cli.tabular import aligned, window
from omniroute.errors import OmnirouteError, TableError
from omniroute.translation.registry import load_formats
from omniroute.translation.values import Formats

F = TypeVar("F", bound=Callable[..., object])


def tables_option(command: F) -> F:
    return click.option(
        "--tables",
        type=click.Path(file_okay=False),
        default=USER_FOLDER,
        show_default=True,
        metavar="DIR",
        help="Tables of your own, which add to the shipped ones or replace them.",
    )(command)


@click.command("formats")
@tables_option
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def formats_command(tables: str, *, as_json: bool) -> None:
    """List the wire formats: where they come from, how they stream, what they cannot express."""
    found = [
        {
            "format": about.name,
            "title": about.title,
            "table": about.file,
            "framing": about.framing,
            "path": about.path,
            "drops": list(about.drops),
            "rejects": list(about.rejects),
        }
        for about in load_tables(tables).about()
    ]
    if as_json:
        write_json(msgspec.json.encode(found))
        return
    columns = ("format", "framing", "path", "table", "title")
    rows = [columns, *([str(row[name]) for name in columns] for row in found)]
    click.echo(aligned(rows, window()), nl=False)


def load_tables(folder: str) -> Formats:
    texts = read_tables(Path(folder))
    try:
        return load_formats(texts, shelf())
    except TableError as error:
        click.echo(str(error), err=True)
        raise OmnirouteError("the tables cannot be used") from error


def write_json(data: bytes) -> None:
    sys.stdout.buffer.write(msgspec.json.format(data, indent=2) + b"\n")
