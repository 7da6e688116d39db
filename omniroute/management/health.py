"""The health of this worker: overall, per provider, and what it has learned."""

from __future__ import annotations

import os
import resource
import sys
from typing import Final, Literal

from msgspec import Struct

from omniroute.base.version import __version__
from omniroute.management import connections
from omniroute.management.configuration import ReloadReport, reload_report
from omniroute.management.moment import Instant
from omniroute.management.sessions import SessionReport, sessions
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


class HealthReport(Struct, frozen=True, kw_only=True, rename="camel"):
    """`degraded` is a gateway after a failed reload, while the shared state is away, after records
    were dropped, or while a breaker is open. `uptime` in seconds."""

    status: Literal["healthy", "degraded"]
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
    well = loaded.ok and not spool.dropped and runtime.store.available and not breakers.open
    recent = sessions(runtime, limit=TOP_SESSIONS)
    return HealthReport(
        status="healthy" if well else "degraded",
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
            appended=spool.appended, dropped=spool.dropped, pending_bytes=spool.pending_bytes
        ),
    )
