"""The password that the gateway keeps where the configuration has none: its hash alone, on disk."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from omniroute.active.disk import write_atomic
from omniroute.base.password import LEAST, MOST, fits, hash_password, is_password_hash
from omniroute.base.secret import Secret
from omniroute.errors import ConfigError

FILE: Final = "password.hash"
INITIAL_ENV: Final = "INITIAL_PASSWORD"
_KNOWN: Final = frozenset({"changeme", "password", "12345678", "omniroute"})
"""What a copied example says is no password."""


def settle_own_password(folder: Path, initial: str | None) -> str | None:
    """Make sure that there is one: `initial`, else the one that is kept, else a random one.

    Returns a random one that was made just now, to be told once: nobody can read it afterwards.
    Raises ConfigError for an `initial` that is none, and when the folder cannot be written. Blocks.
    """
    kept = read_own_password(folder)
    if initial:
        if not LEAST <= len(initial) <= MOST or initial.lower() in _KNOWN:
            raise ConfigError(
                f"{INITIAL_ENV} is no password: take {LEAST} to {MOST} characters of your own"
            )
        if kept is None or not fits(kept.reveal(), initial):
            _keep(folder, initial)
        return None
    if kept is not None:
        return None
    made = secrets.token_urlsafe(18)
    _keep(folder, made)
    return made


def read_own_password(folder: Path) -> Secret | None:
    """The hash that is kept; None where there is none, or something else in its place."""
    try:
        text = (folder / FILE).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return Secret(text) if is_password_hash(text) else None


def _keep(folder: Path, password: str) -> None:
    path = folder / FILE
    try:
        write_atomic(str(path), f"{hash_password(password)}\n".encode(), mode=0o600)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from None
