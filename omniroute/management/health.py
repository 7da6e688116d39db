"""The health of this worker: overall, per provider, and what it has learned."""

from __future__ import annotations

import os
import resource
import sys
from typing import Any, Final

from omniroute.base.version import __version__
from omniroute.management import connections
from omniroute.management.configuration import reload_status
from omniroute.management.sessions import sessions
from omniroute.worker.runtime import Runtime

TOP_SESSIONS: Final = 10


def health(runtime: Runtime) -> dict[str, Any]:
    """`status` is `healthy`, or `degraded` after a failed reload, while the shared state is away,
    after records were dropped, or while a breaker is open."""
    snapshot = runtime.snapshot
    status = runtime.reloader.status
    spool = runtime.spool.stats
    now = runtime.clock.now()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    disabled = list(snapshot.index.unavailable)
    breakers = connections.count_breakers(runtime)
    well = status.ok and not spool.dropped and runtime.store.available and not breakers["open"]
    recent = sessions(runtime, limit=TOP_SESSIONS)
    return {
        "status": "healthy" if well else "degraded",
        "timestamp": now.isoformat(),
        "version": __version__,
        "uptime": (now - runtime.started).total_seconds(),
        "pid": os.getpid(),
        "platform": sys.platform,
        "memoryUsage": {"peakRss": peak * 1024},
        "activeConnections": runtime.in_flight,
        "config": reload_status(status, runtime),
        "providerSummary": {
            "configuredCount": len(snapshot.config.providers),
            "connectionCount": len(snapshot.outlets) + len(disabled),
            "disabledConnections": disabled,
        },
        "circuitBreakers": breakers,
        "providerBreakers": connections.breakers(runtime),
        "providerHealth": connections.provider_health(runtime),
        "rateLimitStatus": connections.queue_status(runtime),
        "learnedLimits": connections.learned_limits(runtime),
        "lockouts": connections.lockouts(runtime),
        "sessions": {
            "activeCount": recent["count"],
            "stickyBoundCount": recent["boundTargets"],
            "byApiKey": recent["byApiKey"],
            "top": recent["sessions"],
        },
        "state": {"store": runtime.store.name, "available": runtime.store.available},
        "ledger": {
            "appended": spool.appended,
            "dropped": spool.dropped,
            "pendingBytes": spool.pending_bytes,
        },
    }
