"""What the running worker tells of its configuration: the active one, and the last reload."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from omniroute.active.shown import masked
from omniroute.config.diagnostics import Diagnostic
from omniroute.config.model import Config
from omniroute.management.derived import masked_kind
from omniroute.management.moment import Instant
from omniroute.worker.runtime import Runtime


class MaskedConfig(masked_kind(Config, without=("positions", "tests")), frozen=True):
    """Every field, defaults included; references as they are written, secrets masked."""


class ReloadReport(Struct, frozen=True, kw_only=True, rename="camel"):
    """How the last load went; `digest` and `loadedAt` are those of what is being served."""

    ok: bool
    digest: str
    generation: int
    loaded_at: Instant
    last_attempt_at: Instant
    succeeded: int
    failed: int
    restart_needed: list[str]
    """Settings of the files that wait for a restart, such as `server.port`."""
    error: str | None
    diagnostics: list[Diagnostic]


class ActiveConfig(Struct, frozen=True, kw_only=True, rename="camel"):
    """What is being served, and how the last load went."""

    digest: str
    files: list[str]
    reload: ReloadReport
    config: MaskedConfig


def config(runtime: Runtime) -> ActiveConfig:
    snapshot = runtime.snapshot
    return ActiveConfig(
        digest=snapshot.digest,
        files=list(runtime.reloader.files),
        reload=reload_report(runtime),
        config=msgspec.convert(masked(snapshot.config), MaskedConfig),
    )


def reload_report(runtime: Runtime) -> ReloadReport:
    """The last load; messages are masked, as they may quote a line."""
    status, redact = runtime.reloader.status, runtime.snapshot.redact
    return ReloadReport(
        ok=status.ok,
        digest=status.digest,
        generation=status.generation,
        loaded_at=status.loaded_at.isoformat(),
        last_attempt_at=status.attempted_at.isoformat(),
        succeeded=status.succeeded,
        failed=status.failed,
        restart_needed=list(status.waiting),
        error=None if status.error is None else redact(status.error),
        diagnostics=[
            msgspec.structs.replace(item, message=redact(item.message))
            for item in status.diagnostics
        ],
    )
