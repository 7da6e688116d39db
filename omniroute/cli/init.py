"""`omniroute init`: a configuration to begin with."""

from __future__ import annotations

from importlib.resources import files as package_files
from pathlib import Path

import click

from omniroute.active.disk import write_atomic
from omniroute.cli.options import DEFAULT_FILE
from omniroute.errors import UsageError


@click.command("init")
@click.argument("file", default=DEFAULT_FILE, type=click.Path())
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def init_command(file: str, *, force: bool) -> None:
    """Write a commented starter configuration to FILE (default: omniroute.yaml)."""
    target = Path(file)
    if target.exists() and not force:
        raise UsageError(f"{file} is already there; --force replaces it")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}")
    write_atomic(file, package_files("omniroute.cli").joinpath("starter.yaml").read_bytes())
    click.echo(f"wrote {file}; next: omniroute check {file} && omniroute serve -c {file}", err=True)
