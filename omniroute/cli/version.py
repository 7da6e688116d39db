"""`omniroute version`."""

from __future__ import annotations

import platform

import click

from omniroute.base.version import __version__


@click.command("version")
def version_command() -> None:
    """Print the version of OmniRoute and of its Python."""
    click.echo(f"omniroute {__version__} (Python {platform.python_version()})")
