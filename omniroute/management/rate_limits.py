"""What each connection allows: what its provider said, what the file sets, and what waits."""

from __future__ import annotations

from msgspec import Struct

from omniroute.management.connections import (
    LearnedLimits,
    Lockout,
    QueueCounts,
    declared,
    learned_limits,
    lockouts,
    queue_status,
    scope_of,
)
from omniroute.management.derived import show
from omniroute.management.resilience import RequestQueue
from omniroute.worker.runtime import Runtime


class ConnectionLimits(QueueCounts, frozen=True, kw_only=True, rename="camel"):
    """One connection; `learned` is by model."""

    connection_id: str
    provider: str
    name: str
    enabled: bool
    active: bool
    configured: RequestQueue
    learned: dict[str, LearnedLimits]


class RateLimits(Struct, frozen=True, kw_only=True, rename="camel"):
    connections: list[ConnectionLimits]
    lockouts: list[Lockout]


def rate_limits(
    runtime: Runtime, *, provider: str | None = None, connection: str | None = None
) -> RateLimits:
    """Every connection, or those of a provider, or one.

    Raises RequestError (404) for a provider or connection that is not declared.
    """
    config = runtime.snapshot.config
    scope = scope_of(config, provider, connection)
    learned, queues = learned_limits(runtime), queue_status(runtime)
    rows: list[ConnectionLimits] = []
    for owner, one in declared(config):
        key = f"{owner.id}/{one.id}"
        if not f"{key}/".startswith(scope):
            continue
        queue = queues.get(key, QueueCounts(queued=0, running=0))
        rows.append(
            ConnectionLimits(
                connection_id=key,
                provider=owner.id,
                name=one.id,
                enabled=one.enabled and key not in runtime.snapshot.index.unavailable,
                active=bool(queue.running or queue.queued),
                queued=queue.queued,
                running=queue.running,
                configured=show(RequestQueue, (owner.resilience or config.resilience).queue),
                learned=learned.get(key, {}),
            )
        )
    shown = {row.connection_id for row in rows}
    return RateLimits(
        connections=rows, lockouts=[row for row in lockouts(runtime) if row.connection_id in shown]
    )
