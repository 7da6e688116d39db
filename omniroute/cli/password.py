"""`omniroute password`: the hash that `auth.dashboard` takes in the place of a password."""

from __future__ import annotations

import sys

import click

from omniroute.base.password import LEAST, MOST, hash_password
from omniroute.errors import UsageError


@click.group("password")
def password_group() -> None:
    """Make the hash of a password for the management login."""


@password_group.command("hash")
def password_hash() -> None:
    """Read a password and print its argon2id hash for `auth.dashboard.password_hash`.

    On a terminal it is asked for twice and not shown; else it is the first line of standard input.
    """
    if sys.stdin.isatty():
        given: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    if not LEAST <= len(given) <= MOST:
        raise UsageError(f"a password has {LEAST} to {MOST} characters")
    click.echo(hash_password(given))
