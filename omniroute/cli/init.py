"""`omniroute init`: a configuration to begin with."""

from __future__ import annotations

from importlib.resources import files as package_files
from pathlib import Path
from typing import Final

import click

from omniroute.active.disk import write_atomic
from omniroute.cli.completing import presets
from omniroute.cli.options import DEFAULT_FILE
from omniroute.cli.providers import entry_of, preset_of
from omniroute.errors import UsageError

_ECHO: Final = """\
  echo:
    preset: echo               # built in: answers without network and without a key
"""
"""The starter's own provider, as it stands there."""


@click.command("init")
@click.argument("file", default=DEFAULT_FILE, type=click.Path())
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option(
    "--provider",
    "names",
    multiple=True,
    metavar="PRESET",
    shell_complete=presets,
    help="A preset to write, in the place of echo; may be given several times.",
)
def init_command(file: str, *, force: bool, names: tuple[str, ...]) -> None:
    """Write a commented starter configuration to FILE (default: omniroute.yaml)."""
    wanted = [preset_of(name) for name in dict.fromkeys(names)]
    target = Path(file)
    if target.exists() and not force:
        raise UsageError(f"{file} is already there; --force replaces it")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}")
    text = package_files("omniroute.cli").joinpath("starter.yaml").read_text(encoding="utf-8")
    if wanted:
        text = text.replace(_ECHO, "".join(map(entry_of, wanted)))
    write_atomic(file, text.encode())
    needed = [preset.api_key_env for preset in wanted if preset.api_key_env is not None]
    if needed:
        click.echo(f"the keys are read from {', '.join(needed)}", err=True)
    click.echo(f"wrote {file}; next: omniroute check {file} && omniroute serve -c {file}", err=True)
