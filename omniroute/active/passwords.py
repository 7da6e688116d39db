"""The passwords of the management login in a snapshot: their hashes, looked up and looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct

from omniroute.base.password import is_password_hash
from omniroute.base.secret import Secret
from omniroute.config.diagnostics import Diagnostic, warning
from omniroute.config.model import Config, LoginRole, Mark, Ref
from omniroute.config.refs import MissingSecretError


class Passwords(Struct, frozen=True, kw_only=True):
    """argon2id hashes by the role that they log in as."""

    hashes: Mapping[LoginRole, Secret]
    keeps_own: bool
    """Whether the files leave the admin's password to the gateway."""


def compile_passwords(
    config: Config, reveal: Callable[[Ref], str], warnings: list[Diagnostic]
) -> Passwords:
    """What cannot be used is added to `warnings`, and lets nobody in.

    `reveal` looks a reference up, or raises MissingSecretError.
    """
    hashes: dict[LoginRole, Secret] = {}
    keeps_own = True
    for role, name, ref in _declared(config):
        try:
            text = reveal(ref)
        except MissingSecretError as missing:
            problem = str(missing)
        else:
            if not text:
                continue
            problem = None if is_password_hash(text) else "this is not an argon2id hash"
            hashes |= {} if problem else {role: Secret(text)}
        if role == "admin":
            keeps_own = False
        if problem is not None:
            path = ("auth", "dashboard", name)
            warnings.append(
                warning(
                    "OR904",
                    config.positions.get(path) or Mark("", 1, 1),
                    f"nobody can log in as {role}: {problem}",
                    path=path,
                    hint="make a hash with `omniroute password hash`, then reload (SIGHUP)",
                )
            )
    return Passwords(hashes=hashes, keeps_own=keeps_own)


def _declared(config: Config) -> Iterator[tuple[LoginRole, str, Ref]]:
    dashboard = config.auth.dashboard
    if dashboard.password_hash is not None:
        yield "admin", "password_hash", dashboard.password_hash
    if dashboard.viewer_password_hash is not None:
        yield "viewer", "viewer_password_hash", dashboard.viewer_password_hash
