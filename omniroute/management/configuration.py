"""What the running worker tells of its configuration: the active one, and the last reload."""

from __future__ import annotations

from typing import Any

import msgspec

from omniroute.active.reload import ReloadStatus
from omniroute.active.shown import masked
from omniroute.base.secret import redact
from omniroute.config.diagnostics import Diagnostic
from omniroute.worker.runtime import Runtime


def config(runtime: Runtime) -> dict[str, Any]:
    """The active snapshot with every secret masked, its files, and how the last reload went."""
    snapshot = runtime.snapshot
    return {
        "digest": snapshot.digest,
        "files": list(runtime.reloader.files),
        "reload": reload_status(runtime.reloader.status, runtime),
        "config": masked(snapshot.config),
    }


def reload_status(status: ReloadStatus, runtime: Runtime | None = None) -> dict[str, Any]:
    """The last attempt; diagnostics are masked, as a message may quote a line."""
    secrets = runtime.snapshot.secrets if runtime is not None else ()
    return {
        "ok": status.ok,
        "digest": status.digest,
        "generation": status.generation,
        "loadedAt": status.loaded_at.isoformat(),
        "lastAttemptAt": status.attempted_at.isoformat(),
        "succeeded": status.succeeded,
        "failed": status.failed,
        "error": None if status.error is None else redact(status.error, secrets),
        "diagnostics": [_diagnostic(item, secrets) for item in status.diagnostics],
    }


def _diagnostic(item: Diagnostic, secrets: tuple[Any, ...]) -> dict[str, Any]:
    row = msgspec.to_builtins(item)
    row["message"] = redact(item.message, secrets)
    return row
