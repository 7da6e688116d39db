"""The health of this worker: overall, per provider, and what it has learned."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

from omniroute.base.version import __version__
from omniroute.management import connections
from omniroute.management.configuration import ReloadReport, reload_report
from omniroute.management.moment import Instant, moment
from omniroute.management.sessions import SessionReport, sessions
from omniroute.routing import breaker
from omniroute.worker.runtime import Runtime

TOP_SESSIONS: Final = 10


class MemoryUsage(Struct, frozen=True, kw_only=True, rename="camel"):
    """`peakRss` in bytes."""

    peak_rss: int


class ProviderSummary(Struct, frozen=True, kw_only=True, rename="camel"):
    """`disabledConnections` lack a credential."""

    configured_count: int
    connection_count: int
    disabled_connections: list[str]


class SessionSummary(Struct, frozen=True, kw_only=True, rename="camel"):
    """`top` are those served last."""

    active_count: int
    sticky_bound_count: int
    by_api_key: dict[str, int]
    top: list[SessionReport]


class StateSummary(Struct, frozen=True, kw_only=True, rename="camel"):
    """Where limits, budgets and kept answers are held."""

    store: str
    available: bool


class LedgerSummary(Struct, frozen=True, kw_only=True, rename="camel"):
    """Usage records since the start."""

    appended: int
    dropped: int
    pending_bytes: int
    quarantined: int
    """Lines of the spool that were no rows, as far as this worker has moved them."""


class Trouble(Struct, frozen=True, kw_only=True, rename="camel"):
    """One reason for being `degraded`. `until` is when a refused credential or an open breaker is
    tried again, by the next request that could use it; later than now or not."""

    part: Literal["config", "state", "ledger", "breaker", "credential"]
    connection_id: str | None = None
    model: str | None = None
    message: str
    since: Instant | None = None
    until: Instant | None = None


class HealthReport(Struct, frozen=True, kw_only=True, rename="camel"):
    """`degraded` is a gateway after a failed reload, while the shared state is away, after records
    were dropped, while a breaker is not closed or a provider's last word about a credential was no;
    `reasons` are all of these. Breakers and credentials are as this worker, `pid`, knows them.
    `uptime` in seconds."""

    status: Literal["healthy", "degraded"]
    reasons: list[Trouble]
    timestamp: Instant
    version: str
    uptime: float
    pid: int
    platform: str
    memory_usage: MemoryUsage
    active_connections: int
    config: ReloadReport
    provider_summary: ProviderSummary
    circuit_breakers: connections.BreakerCounts
    provider_breakers: list[connections.BreakerReport]
    provider_health: dict[str, connections.ProviderReport]
    rate_limit_status: dict[str, connections.QueueCounts]
    learned_limits: dict[str, dict[str, connections.LearnedLimits]]
    lockouts: list[connections.Lockout]
    sessions: SessionSummary
    state: StateSummary
    ledger: LedgerSummary


def health(runtime: Runtime) -> HealthReport:
    snapshot = runtime.snapshot
    spool = runtime.spool.stats
    now = runtime.clock.now()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    disabled = list(snapshot.index.unavailable)
    breakers = connections.count_breakers(runtime)
    loaded = reload_report(runtime)
    reasons = list(_reasons(runtime))
    recent = sessions(runtime, limit=TOP_SESSIONS)
    return HealthReport(
        status="degraded" if reasons else "healthy",
        reasons=reasons,
        timestamp=now.isoformat(),
        version=__version__,
        uptime=(now - runtime.started).total_seconds(),
        pid=os.getpid(),
        platform=sys.platform,
        memory_usage=MemoryUsage(peak_rss=peak * 1024),
        active_connections=runtime.in_flight,
        config=loaded,
        provider_summary=ProviderSummary(
            configured_count=len(snapshot.config.providers),
            connection_count=len(snapshot.outlets) + len(disabled),
            disabled_connections=disabled,
        ),
        circuit_breakers=breakers,
        provider_breakers=connections.breakers(runtime),
        provider_health=connections.provider_health(runtime),
        rate_limit_status=connections.queue_status(runtime),
        learned_limits=connections.learned_limits(runtime),
        lockouts=connections.lockouts(runtime),
        sessions=SessionSummary(
            active_count=recent.count,
            sticky_bound_count=recent.bound_targets,
            by_api_key=recent.by_api_key,
            top=recent.sessions,
        ),
        state=StateSummary(store=runtime.store.name, available=runtime.store.available),
        ledger=LedgerSummary(
            appended=spool.appended,
            dropped=spool.dropped,
            pending_bytes=spool.pending_bytes,
            quarantined=runtime.quarantined,
        ),
    )


def _reasons(runtime: Runtime) -> Iterator[Trouble]:
    """Everything that is not as it should be, the gateway's own first."""
    status = runtime.reloader.status
    if not status.ok:
        yield Trouble(
            part="config",
            message=f"the files cannot be served: {status.error}",
            since=status.attempted_at.isoformat(),
        )
    if not runtime.store.available:
        yield Trouble(part="state", message=f"the store {runtime.store.name} is away")
    if runtime.spool.stats.dropped:
        yield Trouble(
            part="ledger", message=f"{runtime.spool.stats.dropped} usage records were dropped"
        )
    at = moment(runtime)
    for key, connection in runtime.live.connections.items():
        if connection.refusals.count:
            yield Trouble(
                part="credential",
                connection_id=key,
                message=connection.blocked_by,
                since=at.at(connection.refusals.since_s).isoformat(),
                until=at.at(connection.blocked_until_s).isoformat(),
            )
    for key, health in runtime.live.models.items():
        state = health.breaker
        if not isinstance(state, breaker.Closed):
            provider, name, model = key.split("/", 2)
            is_open = isinstance(state, breaker.Open)
            yield Trouble(
                part="breaker",
                connection_id=f"{provider}/{name}",
                model=model,
                message=f"breaker {'open' if is_open else 'half-open'} ({health.last_failure})",
                since=at.at(health.breaker_since_s).isoformat(),
                until=at.at(state.until_s).isoformat() if isinstance(state, breaker.Open) else None,
            )
