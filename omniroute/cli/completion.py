"""`omniroute completion`: the script that a shell sources."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from omniroute.errors import UsageError


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    For bash: eval "$(omniroute completion bash)" in ~/.bashrc; zsh alike in ~/.zshrc; for fish save
    it as ~/.config/fish/completions/omniroute.fish.
    """
    found = get_completion_class(shell)
    if found is None:
        raise UsageError(f"no completion for {shell}")
    click.echo(found(ctx.find_root().command, {}, "omniroute", "_OMNIROUTE_COMPLETE").source())
