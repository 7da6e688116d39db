"""The command group and the one place where a failure becomes words and an exit code."""

from __future__ import annotations

import sys

import click

from omniroute.cli.check import check_command
from omniroute.cli.completion import completion_command
from omniroute.cli.explain import explain_command
from omniroute.cli.formats import formats_command
from omniroute.cli.init import init_command
from omniroute.cli.keys import keys_group
from omniroute.cli.route import route_command
from omniroute.cli.serve import serve
from omniroute.cli.sql import sql_command
from omniroute.cli.test import test_command
from omniroute.cli.translate import translate_command
from omniroute.cli.version import version_command
from omniroute.errors import OmnirouteError, UsageError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """OmniRoute: a declarative AI gateway."""


cli.add_command(serve)
cli.add_command(check_command)
cli.add_command(explain_command)
cli.add_command(keys_group)
cli.add_command(init_command)
cli.add_command(sql_command)
cli.add_command(test_command)
cli.add_command(route_command)
cli.add_command(translate_command)
cli.add_command(formats_command)
cli.add_command(version_command)
cli.add_command(completion_command)


def main() -> None:
    """Run the command; exit 0 fine, 1 failed, 2 used wrongly. Never shows a traceback."""
    try:
        # Out of its standalone mode click returns the code that a command exits with.
        code = cli(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except UsageError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    except (OmnirouteError, OSError) as error:  # a full disk, a folder that is not ours
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
