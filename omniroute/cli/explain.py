"""`omniroute explain`: what a diagnostic code means."""

from __future__ import annotations

import click

from omniroute.cli.completing import codes as complete_codes
from omniroute.config.codes import load_codes, render_code
from omniroute.config.schema import suggest
from omniroute.errors import UsageError


@click.command("explain")
@click.argument("code", required=False, shell_complete=complete_codes)
def explain_command(code: str | None) -> None:
    """Tell what a diagnostic CODE means, by a wrong and a right example; without it, list all."""
    codes = load_codes()
    if code is None:
        for known in codes.values():
            click.echo(f"{known.id}  {known.severity:7}  {known.title}")
        return
    found = codes.get(code.upper())
    if found is None:
        hint = suggest(code.upper(), codes)
        raise UsageError(f"there is no code {code}; {hint or 'run `omniroute explain` for all'}")
    click.echo(render_code(found), nl=False)
