"""`omniroute check`: findings for people, editors and CI."""

from __future__ import annotations

from typing import cast

import click

from omniroute.cli.options import check_files, config_files, config_option, style
from omniroute.config.check import Checked
from omniroute.config.render import (
    Format,
    count,
    render_github,
    render_json,
    render_sarif,
    render_text,
)


@click.command("check")
@click.argument("files", nargs=-1, type=click.Path())
@config_option
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json", "github", "sarif"]),
    default="text",
    show_default=True,
    help="How findings are written to standard output.",
)
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
@click.pass_context
def check_command(
    ctx: click.Context,
    files: tuple[str, ...],
    config: tuple[str, ...],
    output: str,
    *,
    strict: bool,
) -> None:
    """Check configuration files without serving them.

    Each of FILES is checked by itself; files given with -c are laid over each other first. Needs
    no secrets and no network. Exits with 0 when all is well, 1 on findings, 2 on wrong usage.
    """
    groups = [(file,) for file in files] if files else [config]
    checked = [check_files(config_files(group)) for group in groups]
    click.echo(_render(checked, cast("Format", output)), nl=False)
    errors, warnings = count([item for one in checked for item in one.diagnostics])
    names = sorted({file for one in checked for file in one.files})
    click.echo(_summary(errors, warnings, len(names)), err=True)
    ctx.exit(1 if errors or (strict and warnings) else 0)


def _render(checked: list[Checked], output: Format) -> str:
    diagnostics = [item for one in checked for item in one.diagnostics]
    match output:
        case "json":
            return render_json(diagnostics)
        case "github":
            return render_github(diagnostics)
        case "sarif":
            return render_sarif(diagnostics)
        case "text":
            blocks = (
                render_text(one.diagnostics, one.sources, mask=one.mask, style=style)
                for one in checked
                if one.diagnostics
            )
            return "\n".join(blocks)


def _summary(errors: int, warnings: int, files: int) -> str:
    where = "1 file" if files == 1 else f"{files} files"
    if not errors and not warnings:
        return f"{where} checked: no findings"
    parts = [
        f"{number} {word}" if number == 1 else f"{number} {word}s"
        for number, word in ((errors, "error"), (warnings, "warning"))
        if number
    ]
    return f"{where} checked: {', '.join(parts)}"
