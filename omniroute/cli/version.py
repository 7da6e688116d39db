"""`omniroute version`."""

from __future__ import annotations

import platform
from typing import Final

import click

from omniroute.base.version import __version__

SHOWN: Final = f"omniroute {__version__} (Python {platform.python_version()})"


@click.command("version")
def version_command() -> None:
    """Print the version of OmniRoute and of its Python."""
    click.echo(SHOWN)
