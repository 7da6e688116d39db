"""Which models answer now: from breakers, rests, learned limits and missing credentials."""

from __future__ import annotations

from typing import Any

from omniroute.management.moment import Moment, moment
from omniroute.routing.resolve import leaves_of, list_models, resolve
from omniroute.routing.values import Candidate, Resolved
from omniroute.worker.runtime import Runtime


def all_models(runtime: Runtime) -> dict[str, Any]:
    """Every combo, alias and declared model."""
    index, at = runtime.snapshot.index, moment(runtime)
    rows = [_row(runtime, resolve(index, listed.id), at) for listed in list_models(index)]
    return {
        "models": rows,
        "summary": {
            status: sum(row["status"] == status for row in rows)
            for status in ("available", "degraded", "unavailable")
        },
    }


def one_model(runtime: Runtime, name: str) -> dict[str, Any]:
    """Raises RequestError (404) when the name stands for nothing."""
    return _row(runtime, resolve(runtime.snapshot.index, name), moment(runtime))


def _row(runtime: Runtime, resolved: Resolved, at: Moment) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for leaf in leaves_of(resolved.node):
        for candidate in leaf.candidates:
            found.setdefault(candidate.key, _candidate(runtime, candidate, at))
    rows = list(found.values())
    ready = sum(row["available"] for row in rows)
    waits = [row["retryAfterMs"] for row in rows if row["retryAfterMs"] is not None]
    return {
        "model": resolved.requested,
        "target": resolved.id,
        "available": ready > 0,
        "status": "unavailable" if not ready else "available" if ready == len(rows) else "degraded",
        "retryAfterMs": min(waits) if waits and not ready else None,
        "connections": rows,
    }


def _candidate(runtime: Runtime, candidate: Candidate, at: Moment) -> dict[str, Any]:
    live = runtime.live
    reason, until_s = candidate.unavailable, 0.0
    connection = live.connections.get(candidate.connection_key)
    health = live.models.get(candidate.key)
    for known in (connection, health):
        if known is not None and reason is None and known.blocked_until_s > at.loop_s:
            reason, until_s = known.blocked_by, known.blocked_until_s
    return {
        "connectionId": candidate.connection_key,
        "model": candidate.model,
        "available": reason is None,
        "reason": reason,
        "retryAfterMs": at.left_ms(until_s) if until_s else None,
        "quotaLeft": 1.0 if health is None else round(health.quota_left, 4),
    }
