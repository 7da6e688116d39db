"""Sessions that were served lately, and where they stay."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any, Final

from omniroute.management.moment import Moment, moment
from omniroute.routing.live import Session
from omniroute.worker.runtime import Runtime

MAX_ROWS: Final = 1000
"""In one answer; `count` tells how many there are."""


def sessions(runtime: Runtime, *, limit: int = MAX_ROWS) -> dict[str, Any]:
    """The newest first. A session is active until it was idle for `usage.session.idle`."""
    at, idle_s = moment(runtime), runtime.snapshot.config.usage.session.idle_s
    active = [row for row in runtime.live.sessions.values() if at.loop_s - row.last_s < idle_s]
    bound = {
        binding.key for binding in runtime.live.bindings.values() if binding.until_s > at.loop_s
    }
    active.reverse()  # the table is in order of last use
    return {
        "count": len(active),
        "boundTargets": len(bound),
        "sessions": [_session(row, at) for row in islice(active, limit)],
        "byApiKey": dict(Counter(row.key or "" for row in active)),
    }


def _session(row: Session, at: Moment) -> dict[str, Any]:
    return {
        "sessionId": row.session,
        "keyId": row.key,
        "createdAt": at.epoch_ms(row.created_s),
        "lastActive": at.epoch_ms(row.last_s),
        "requestCount": row.requests,
        "connectionId": row.connection,
        "model": row.model,
        "ageMs": round((at.loop_s - row.created_s) * 1000),
        "idleMs": round((at.loop_s - row.last_s) * 1000),
    }
