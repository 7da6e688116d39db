"""Sessions that were served lately, and where they stay."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Final

from msgspec import Struct

from omniroute.management.moment import Moment, moment
from omniroute.routing.live import Session
from omniroute.worker.runtime import Runtime

MAX_ROWS: Final = 1000
"""In one answer; `count` tells how many there are."""


class SessionReport(Struct, frozen=True, kw_only=True, rename="camel"):
    """Times are milliseconds since 1970."""

    session_id: str
    key_id: str | None
    created_at: int
    last_active: int
    request_count: int
    connection_id: str
    model: str
    age_ms: int
    idle_ms: int


class Sessions(Struct, frozen=True, kw_only=True, rename="camel"):
    """The newest first; `count` and `byApiKey` count those that are not in the list as well."""

    count: int
    bound_targets: int
    sessions: list[SessionReport]
    by_api_key: dict[str, int]


def sessions(runtime: Runtime, *, limit: int = MAX_ROWS) -> Sessions:
    """The newest first. A session is active until it was idle for `usage.session.idle`."""
    at, idle_s = moment(runtime), runtime.snapshot.config.usage.session.idle_s
    active = [row for row in runtime.live.sessions.values() if at.loop_s - row.last_s < idle_s]
    bound = {
        binding.key for binding in runtime.live.bindings.values() if binding.until_s > at.loop_s
    }
    active.reverse()  # the table is in order of last use
    return Sessions(
        count=len(active),
        bound_targets=len(bound),
        sessions=[_session(row, at) for row in islice(active, limit)],
        by_api_key=dict(Counter(row.key or "" for row in active)),
    )


def _session(row: Session, at: Moment) -> SessionReport:
    return SessionReport(
        session_id=row.session,
        key_id=row.key,
        created_at=at.epoch_ms(row.created_s),
        last_active=at.epoch_ms(row.last_s),
        request_count=row.requests,
        connection_id=row.connection,
        model=row.model,
        age_ms=round((at.loop_s - row.created_s) * 1000),
        idle_ms=round((at.loop_s - row.last_s) * 1000),
    )
