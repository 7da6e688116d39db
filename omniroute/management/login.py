"""What the login's paths take and tell."""

from __future__ import annotations

import logging

from msgspec import Struct

from omniroute.config.model import LoginRole
from omniroute.management.writeback import Author, change_section
from omniroute.worker.audit import AuditEntry
from omniroute.worker.runtime import Runtime

_log = logging.getLogger("omniroute.audit")


class Login(Struct, frozen=True):
    password: str


class AuthStatus(Struct, frozen=True, kw_only=True):
    """Whether this request's cookie or key may read, and the role of a login."""

    authenticated: bool
    role: LoginRole | None = None


class LoginRule(Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether the management API wants a login or a key, and whether there is a password."""

    require_login: bool
    has_password: bool
    setup_complete: bool
    """That nothing has to be set up before somebody can come in."""


class LoginRuleChange(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    require_login: bool


def login_rule(runtime: Runtime) -> LoginRule:
    required = runtime.snapshot.config.auth.dashboard.require_login
    has_password = bool(runtime.logins.hashes(runtime.snapshot.passwords))
    return LoginRule(
        require_login=required,
        has_password=has_password,
        setup_complete=has_password or not required,
    )


def failed(runtime: Runtime, client_ip: str, *, request_id: str, target: str) -> AuditEntry:
    """A wrong password, which changes nothing of the configuration."""
    digest = runtime.snapshot.digest
    return AuditEntry(
        time=runtime.clock.now(),
        action="login.failed",
        actor="anybody",
        address=client_ip,
        request_id=request_id,
        target=target,
        digest_before=digest,
        digest_after=digest,
        commit=runtime.snapshot.commit,
    )


def record(runtime: Runtime, entry: AuditEntry) -> None:
    """Blocks. Who is refused hears of that, whatever becomes of the log."""
    try:
        runtime.audit.append(entry)
    except OSError as error:
        _log.error("the audit log cannot be written: %s", error.strerror or error)


async def set_login_rule(runtime: Runtime, change: LoginRuleChange, *, author: Author) -> LoginRule:
    """Set `auth.dashboard.require_login`. Raises RequestError as `change_section` does."""
    values = {"dashboard": {"require_login": change.require_login}}
    await change_section(runtime, "auth", values, author=author)
    return login_rule(runtime)
