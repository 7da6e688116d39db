"""What commands share: the -c option, and the check that every one of them begins with."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import click

from omniroute.active.disk import Disk
from omniroute.active.inspect import check_only
from omniroute.config.check import Checked
from omniroute.config.diagnostics import Diagnostic
from omniroute.config.loader import Reader
from omniroute.config.model import Config
from omniroute.config.render import count, render_text
from omniroute.errors import ConfigError, UsageError

DEFAULT_FILE: Final = "omniroute.yaml"

F = TypeVar("F", bound=Callable[..., object])

_REMINDED: Final = 5  # so many warnings follow an answer; it is the answer that was asked for
_COLOURS: Final = {
    "error": "red",
    "warning": "yellow",
    "caret": "red",
    "hint": "cyan",
    "source": "blue",
}


def config_option(command: F) -> F:
    """`-c/--config FILE`, repeatable; the command gets `config: tuple[str, ...]`."""
    add = click.option(
        "-c",
        "--config",
        multiple=True,
        metavar="FILE",
        envvar="OMNIROUTE_CONFIG",
        # click splits the variable at the path separator, as for PATH.
        type=click.Path(),
        help=f"Configuration file; repeat it to lay one over the other. "
        f"[default: $OMNIROUTE_CONFIG, else ./{DEFAULT_FILE}]",
    )
    return add(command)


def config_files(given: tuple[str, ...]) -> tuple[str, ...]:
    """The files to read; UsageError with advice when one is not there."""
    files = given or (DEFAULT_FILE,)
    for file in files:
        if Path(file).is_dir():
            raise UsageError(
                f"{file} is a folder; give the file, for example {file}/omniroute.yaml"
            )
        if not Path(file).exists():
            advice = "" if given else "; write one with `omniroute init`, or give one with -c FILE"
            raise UsageError(f"there is no file {file}{advice}")
    return files


def check_files(files: tuple[str, ...]) -> Checked:
    """Check files on this disk against the shipped presets and the tables beside them."""
    return check_with(Disk(), files)


def check_with(reader: Reader, files: tuple[str, ...]) -> Checked:
    """As `check_files`, with the files coming from `reader`."""
    return check_only(files, reader)


def load_config(given: tuple[str, ...]) -> Config:
    """The configuration for a command that needs a good one.

    Errors go to standard error with their lines, warnings in a line each after the answer.
    """
    checked = check_files(config_files(given))
    if checked.config is None:
        show_findings(checked)
        raise rejected(checked)
    warnings = checked.diagnostics
    if warnings:
        click.get_current_context().call_on_close(lambda: _remind(warnings))
    return checked.config


def _remind(warnings: Sequence[Diagnostic]) -> None:
    for item in warnings[:_REMINDED]:
        click.echo(f"{style('warning', 'warning')} {item}", err=True)
    if len(warnings) > _REMINDED:
        rest = len(warnings) - _REMINDED
        click.echo(f"and {rest} more; `omniroute check` shows all, with their lines", err=True)


def show_findings(checked: Checked) -> None:
    """What is wrong, with the lines that it is about, to standard error."""
    if checked.diagnostics:
        text = render_text(checked.diagnostics, checked.sources, mask=checked.mask, style=style)
        click.echo(text, err=True)


def rejected(checked: Checked) -> ConfigError:
    """How a command ends on a configuration with errors."""
    errors, _ = count(checked.diagnostics)
    found = "1 error" if errors == 1 else f"{errors} errors"
    return ConfigError(f"the configuration has {found}", checked.diagnostics)


def style(role: str, text: str) -> str:
    """Colours for people; click takes them out when the output is not a terminal."""
    if "NO_COLOR" in os.environ:
        return text
    return click.style(text, fg=_COLOURS.get(role), bold=role in ("error", "warning", "place"))
