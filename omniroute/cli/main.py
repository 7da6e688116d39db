"""The command group and the one place where a failure becomes words and an exit code."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Final, NamedTuple

import click

from omniroute.cli.version import SHOWN
from omniroute.errors import OmnirouteError, UsageError


class Lazy(NamedTuple):
    """A command that is imported when it is used: `--help` and a check need no web server."""

    module: str
    name: str
    summary: str
    """What its help says first."""


COMMANDS: Final[Mapping[str, Lazy]] = {
    "audit": Lazy(
        "omniroute.cli.audit",
        "audit_group",
        "Tell whether the log of who changed what is whole.",
    ),
    "check": Lazy(
        "omniroute.cli.check", "check_command", "Check configuration files without serving them."
    ),
    "completion": Lazy(
        "omniroute.cli.completion", "completion_command", "Print the completion script for SHELL."
    ),
    "explain": Lazy(
        "omniroute.cli.explain",
        "explain_command",
        "Tell what a diagnostic CODE means, by a wrong and a right example; without it, list all.",
    ),
    "export": Lazy(
        "omniroute.cli.export",
        "export_command",
        "Write the usage data to Parquet or CSV by day, or into one SQLite file.",
    ),
    "formats": Lazy(
        "omniroute.cli.formats",
        "formats_command",
        "List the wire formats: where they come from, how they stream, what they cannot express.",
    ),
    "init": Lazy(
        "omniroute.cli.init",
        "init_command",
        "Write a commented starter configuration to FILE (default: omniroute.yaml).",
    ),
    "keys": Lazy("omniroute.cli.keys", "keys_group", "Make, list, rotate and revoke API keys."),
    "password": Lazy(
        "omniroute.cli.password",
        "password_group",
        "Make the hash of a password for the management login.",
    ),
    "providers": Lazy(
        "omniroute.cli.providers",
        "providers_group",
        "List the presets: providers that need a name and a credential, and nothing else.",
    ),
    "route": Lazy(
        "omniroute.cli.route",
        "route_command",
        "Show the way that a request for MODEL would take, with the reason for every step.",
    ),
    "schema": Lazy(
        "omniroute.cli.schema",
        "schema_command",
        "Print the JSON Schema of the configuration, for editors and your own tools.",
    ),
    "serve": Lazy(
        "omniroute.cli.serve",
        "serve",
        "Serve the gateway; reloads by itself when the configuration changes.",
    ),
    "show": Lazy(
        "omniroute.cli.show",
        "show_command",
        "Tell what became of a request: who asked, what was decided, each attempt, timings, cost.",
    ),
    "sql": Lazy("omniroute.cli.sql", "sql_command", "Ask the usage database a question in SQL."),
    "test": Lazy(
        "omniroute.cli.test",
        "test_command",
        "Run the `tests:` section and the files *_test.yaml beside the configuration.",
    ),
    "translate": Lazy(
        "omniroute.cli.translate",
        "translate_command",
        "Show what becomes of a body between two formats.",
    ),
    "usage": Lazy(
        "omniroute.cli.usage",
        "usage_group",
        "Show what was used and what it cost, today unless --since says otherwise.",
    ),
    "version": Lazy(
        "omniroute.cli.version",
        "version_command",
        "Print the version of OmniRoute and of its Python.",
    ),
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = COMMANDS.get(cmd_name)
        if found is None:
            return None
        command: click.Command = getattr(import_module(found.module), found.name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].summary) for name in sorted(COMMANDS)])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(message=SHOWN, version="")
def cli() -> None:
    """OmniRoute: a declarative AI gateway."""


def main() -> None:
    """Run the command; exit 0 fine, 1 failed, 2 used wrongly. Never shows a traceback."""
    if sys.argv[1:2] == ["serve"]:  # a HUP waits until there is something to reload
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
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
