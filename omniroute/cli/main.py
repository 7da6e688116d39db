"""The command group and the one place where a failure becomes words and an exit code."""

from __future__ import annotations

import sys

import click

from omniroute.errors import OmnirouteError, UsageError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """OmniRoute: a declarative AI gateway."""


def main() -> None:
    """Run the command; exit 0 fine, 1 failed, 2 used wrongly. Never shows a traceback."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except UsageError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    except OmnirouteError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
