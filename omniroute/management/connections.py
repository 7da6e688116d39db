"""How connections are doing: breakers, rests, limits learned and configured, queues.

All of it is this worker's own knowledge; another worker has learned from its own requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from omniroute.config.model import Config, Connection, Provider, Queue
from omniroute.errors import RequestError
from omniroute.management.moment import Moment, moment
from omniroute.routing import breaker
from omniroute.routing.health import ConnectionHealth, ModelHealth
from omniroute.worker.runtime import Runtime

STATES: Final = {breaker.Closed: "CLOSED", breaker.Open: "OPEN", breaker.HalfOpen: "HALF_OPEN"}


def state_of(health: ModelHealth) -> str:
    """`CLOSED`, `OPEN` or `HALF_OPEN`. An open one whose time is over waits for a request."""
    return STATES[type(health.breaker)]


def breakers(runtime: Runtime) -> list[dict[str, Any]]:
    """One row for each connection and model that was used."""
    at = moment(runtime)
    return [_breaker(key, health, at) for key, health in runtime.live.models.items()]


def _breaker(key: str, health: ModelHealth, at: Moment) -> dict[str, Any]:
    provider, connection, model = key.split("/", 2)
    opened = health.breaker
    until_s = opened.until_s if isinstance(opened, breaker.Open) else 0.0
    failures = len(opened.failed_at_s) if isinstance(opened, breaker.Closed) else None
    failed_at_s, latency_s = health.failed_at_s, health.latency_s
    return {
        "provider": provider,
        "connection": connection,
        "model": model,
        "state": state_of(health),
        "failureCount": health.failed,
        "failuresInRow": failures,
        "lastFailure": None if failed_at_s is None else at.at(failed_at_s).isoformat(),
        "lastFailureReason": health.last_failure or None,
        "retryAfterMs": at.left_ms(until_s),
        "successCount": health.succeeded,
        "inFlight": health.in_flight,
        "latencyMs": None if latency_s is None else round(latency_s * 1000, 3),
    }


def provider_health(runtime: Runtime) -> dict[str, dict[str, Any]]:
    """By provider: `CLOSED` when all its breakers are, `OPEN` when none lets anything through."""
    at = moment(runtime)
    found: dict[str, list[ModelHealth]] = {}
    for key, health in runtime.live.models.items():
        found.setdefault(key.partition("/")[0], []).append(health)
    return {name: _provider(rows, at) for name, rows in found.items()}


def _provider(rows: list[ModelHealth], at: Moment) -> dict[str, Any]:
    states = {state_of(row) for row in rows}
    last_s = max((row.failed_at_s for row in rows if row.failed_at_s is not None), default=None)
    waits = [at.left_ms(row.blocked_until_s) for row in rows]
    return {
        "state": states.pop() if len(states) == 1 else "PARTLY_OPEN",
        "failures": sum(row.failed for row in rows),
        "lastFailure": None if last_s is None else at.at(last_s).isoformat(),
        "retryAfterMs": min(waits),
    }


def count_breakers(runtime: Runtime) -> dict[str, int]:
    states = [state_of(health) for health in runtime.live.models.values()]
    return {
        "open": states.count("OPEN"),
        "halfOpen": states.count("HALF_OPEN"),
        "closed": states.count("CLOSED"),
        "total": len(states),
    }


def lockouts(runtime: Runtime) -> list[dict[str, Any]]:
    """What is left out of every plan now, why, and for how long."""
    at, live = moment(runtime), runtime.live
    rows: list[dict[str, Any]] = []
    for key, connection in live.connections.items():
        if connection.blocked_until_s > at.loop_s:
            rows.append(_lockout(key, None, connection, at))
    for key, health in live.models.items():
        if health.blocked_until_s > at.loop_s:
            provider, name, model = key.split("/", 2)
            rows.append(_lockout(f"{provider}/{name}", model, health, at))
    return rows


def _lockout(
    connection: str, model: str | None, health: ModelHealth | ConnectionHealth, at: Moment
) -> dict[str, Any]:
    return {
        "connectionId": connection,
        "provider": connection.partition("/")[0],
        "model": model,
        "reason": health.blocked_by,
        "retryAfterMs": at.left_ms(health.blocked_until_s),
        "until": at.at(health.blocked_until_s).isoformat(),
    }


def learned_limits(runtime: Runtime) -> dict[str, dict[str, Any]]:
    """What providers said about their limits, by `provider/connection`, then model."""
    at = moment(runtime)
    found: dict[str, dict[str, Any]] = {}
    for key, health in runtime.live.models.items():
        if health.quotas:
            provider, connection, model = key.split("/", 2)
            found.setdefault(f"{provider}/{connection}", {})[model] = _quotas(health, at)
    return found


def _quotas(health: ModelHealth, at: Moment) -> dict[str, Any]:
    return {
        "learnedAt": at.at(health.quotas_at_s).isoformat(),
        **{
            name: {
                "limit": quota.limit,
                "remaining": quota.remaining,
                "resetMs": (
                    None
                    if quota.reset_s is None
                    else at.left_ms(health.quotas_at_s + quota.reset_s)
                ),
            }
            for name, quota in health.quotas.items()
        },
    }


def queue_status(runtime: Runtime) -> dict[str, dict[str, int]]:
    """By `provider/connection`: who waits, and who is being served."""
    return {
        key: {"queued": health.queue.queued, "running": health.queue.in_flight}
        for key, health in runtime.live.connections.items()
    }


def rate_limits(
    runtime: Runtime, *, provider: str | None = None, connection: str | None = None
) -> dict[str, Any]:
    """Per account: what its provider said, what the file sets, and what waits.

    Raises RequestError (404) for a provider or connection that is not declared.
    """
    scope = _scope(runtime.snapshot.config, provider, connection)
    learned, queues = learned_limits(runtime), queue_status(runtime)
    base = runtime.snapshot.config.resilience
    rows: list[dict[str, Any]] = []
    for owner, one in _connections(runtime.snapshot.config):
        key = f"{owner.id}/{one.id}"
        if not f"{key}/".startswith(scope):
            continue
        queue = queues.get(key, {"queued": 0, "running": 0})
        rows.append(
            {
                "connectionId": key,
                "provider": owner.id,
                "name": one.id,
                "enabled": one.enabled and key not in runtime.snapshot.index.unavailable,
                "active": bool(queue["running"] or queue["queued"]),
                **queue,
                "configured": _configured((owner.resilience or base).queue),
                "learned": learned.get(key, {}),
            }
        )
    shown = {row["connectionId"] for row in rows}
    return {
        "connections": rows,
        "lockouts": [row for row in lockouts(runtime) if row["connectionId"] in shown],
    }


def _configured(queue: Queue) -> dict[str, int]:
    """0 means no bound."""
    return {
        "requestsPerMinute": queue.requests_per_minute,
        "minTimeBetweenRequestsMs": round(queue.min_gap_s * 1000),
        "concurrentRequests": queue.max_concurrent,
        "maxWaitMs": round(queue.max_wait_s * 1000),
    }


def _connections(config: Config) -> Iterator[tuple[Provider, Connection]]:
    for provider in config.providers.values():
        for connection in provider.connections.values():
            yield provider, connection


def _scope(config: Config, provider: str | None, connection: str | None) -> str:
    """The prefix of all keys that are meant. Raises RequestError."""
    if provider is None:
        if connection is None:
            return ""
        provider, _, connection = connection.partition("/")
    if provider not in config.providers:
        raise RequestError("not_found", f'there is no provider "{provider}"', param="provider")
    if connection is None:
        return f"{provider}/"
    name = connection.removeprefix(f"{provider}/")
    if name not in config.providers[provider].connections:
        raise RequestError(
            "not_found",
            f'provider "{provider}" has no connection "{name}"',
            param="connection",
        )
    return f"{provider}/{name}/"


def reset(runtime: Runtime, *, provider: str | None = None, connection: str | None = None) -> int:
    """Close breakers and end rests, of everything or of one provider or connection; how many.

    Raises RequestError (404) for what is not declared.
    """
    return runtime.live.reset(_scope(runtime.snapshot.config, provider, connection))
