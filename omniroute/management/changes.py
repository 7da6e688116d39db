"""The audit log as the API tells it."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec import Struct

from omniroute.management.moment import Instant
from omniroute.worker.audit import AuditEntry
from omniroute.worker.runtime import Runtime


class ValueChange(Struct, frozen=True, kw_only=True, rename="camel"):
    """A value of the files, secrets masked; null where it was or is not there."""

    path: str
    before: Any
    after: Any


class AuditRow(Struct, frozen=True, kw_only=True, rename="camel"):
    """One entry. `hash` is taken over all of it and over `previous`, the hash of the one before."""

    id: int
    timestamp: Instant
    action: str
    actor: str
    target: str
    ip: str | None
    request_id: str | None
    changes: list[ValueChange]
    digest_before: str | None
    digest_after: str
    commit: str | None
    previous: str
    hash: str


async def newest(runtime: Runtime, *, limit: int, before: int | None) -> list[AuditRow]:
    """At most `limit` entries, newest first, of those with a smaller id than `before`."""
    found = await asyncio.to_thread(runtime.audit.newest, limit=limit, before=before)
    return [_row(entry) for entry in found]


def _row(entry: AuditEntry) -> AuditRow:
    return AuditRow(
        id=entry.id,
        timestamp=entry.time.isoformat(),
        action=entry.action,
        actor=entry.actor,
        target=entry.target,
        ip=entry.address,
        request_id=entry.request_id,
        changes=[
            ValueChange(path=one.path, before=one.before, after=one.after) for one in entry.changes
        ],
        digest_before=entry.digest_before,
        digest_after=entry.digest_after,
        commit=entry.commit,
        previous=entry.previous,
        hash=entry.hash,
    )
