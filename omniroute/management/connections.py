"""How connections are doing: breakers, rests, limits learned and configured, queues.

All of it is this worker's own knowledge; another worker has learned from its own requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from omniroute.config.model import Config, Connection, Provider
from omniroute.errors import RequestError
from omniroute.management.moment import Instant, Moment, moment
from omniroute.routing import breaker
from omniroute.routing.cooldown import DIMENSIONS, Quota
from omniroute.routing.health import ConnectionHealth, ModelHealth
from omniroute.worker.runtime import Runtime

BreakerState = Literal["CLOSED", "OPEN", "HALF_OPEN"]
STATES: Final[dict[type, BreakerState]] = {
    breaker.Closed: "CLOSED",
    breaker.Open: "OPEN",
    breaker.HalfOpen: "HALF_OPEN",
}


class BreakerReport(Struct, frozen=True, kw_only=True, rename="camel"):
    """The breaker of one connection and model."""

    provider: str
    connection: str
    model: str
    state: BreakerState
    failure_count: int
    failures_in_row: int | None
    """While it is closed."""
    last_failure: Instant | None
    last_failure_reason: str | None
    retry_after_ms: int
    success_count: int
    in_flight: int
    latency_ms: float | None


class ProviderReport(Struct, frozen=True, kw_only=True, rename="camel"):
    """All breakers of one provider."""

    state: BreakerState | Literal["PARTLY_OPEN"]
    failures: int
    last_failure: Instant | None
    retry_after_ms: int


class BreakerCounts(Struct, frozen=True, kw_only=True, rename="camel"):
    open: int
    half_open: int
    closed: int
    total: int


class Lockout(Struct, frozen=True, kw_only=True, rename="camel"):
    """What is left out of every plan now; without a model, a whole connection."""

    connection_id: str
    provider: str
    model: str | None
    reason: str
    retry_after_ms: int
    until: Instant


class LearnedLimit(Struct, frozen=True, kw_only=True, rename="camel"):
    """One of a provider's own limits, as its last answer gave it."""

    limit: int | None
    remaining: int | None
    reset_ms: int | None


_ByDimension: Final = msgspec.defstruct(
    "ByDimension",
    [(name.replace("-", "_"), LearnedLimit | UnsetType, UNSET) for name in DIMENSIONS],
    frozen=True,
    kw_only=True,
    rename={name.replace("-", "_"): name for name in DIMENSIONS},
)


class LearnedLimits(_ByDimension, frozen=True, kw_only=True, rename="camel"):
    """What a provider said about one model's limits, and when."""

    learned_at: Instant


class QueueCounts(Struct, frozen=True, kw_only=True, rename="camel"):
    """Who waits, and who is being served."""

    queued: int
    running: int


class ResetScope(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`connection` is a name at `provider`, or alone `provider/name`."""

    provider: str | None = None
    connection: str | None = None


class ResetDone(Struct, frozen=True, kw_only=True, rename="camel"):
    """How many breakers were closed."""

    ok: bool
    reset_count: int
    message: str


def state_of(health: ModelHealth) -> BreakerState:
    """`CLOSED`, `OPEN` or `HALF_OPEN`. An open one whose time is over waits for a request."""
    return STATES[type(health.breaker)]


def breakers(runtime: Runtime) -> list[BreakerReport]:
    """One row for each connection and model that was used."""
    at = moment(runtime)
    return [_breaker(key, health, at) for key, health in runtime.live.models.items()]


def _breaker(key: str, health: ModelHealth, at: Moment) -> BreakerReport:
    provider, connection, model = key.split("/", 2)
    opened = health.breaker
    until_s = opened.until_s if isinstance(opened, breaker.Open) else 0.0
    failures = len(opened.failed_at_s) if isinstance(opened, breaker.Closed) else None
    failed_at_s, latency_s = health.failed_at_s, health.latency_s
    return BreakerReport(
        provider=provider,
        connection=connection,
        model=model,
        state=state_of(health),
        failure_count=health.failed,
        failures_in_row=failures,
        last_failure=None if failed_at_s is None else at.at(failed_at_s).isoformat(),
        last_failure_reason=health.last_failure or None,
        retry_after_ms=at.left_ms(until_s),
        success_count=health.succeeded,
        in_flight=health.in_flight,
        latency_ms=None if latency_s is None else round(latency_s * 1000, 3),
    )


def provider_health(runtime: Runtime) -> dict[str, ProviderReport]:
    """By provider: `CLOSED` when all its breakers are, `OPEN` when none lets anything through."""
    at = moment(runtime)
    found: dict[str, list[ModelHealth]] = {}
    for key, health in runtime.live.models.items():
        found.setdefault(key.partition("/")[0], []).append(health)
    return {name: _provider(rows, at) for name, rows in found.items()}


def _provider(rows: list[ModelHealth], at: Moment) -> ProviderReport:
    states: set[BreakerState] = {state_of(row) for row in rows}
    last_s = max((row.failed_at_s for row in rows if row.failed_at_s is not None), default=None)
    waits = [at.left_ms(row.blocked_until_s) for row in rows]
    return ProviderReport(
        state=states.pop() if len(states) == 1 else "PARTLY_OPEN",
        failures=sum(row.failed for row in rows),
        last_failure=None if last_s is None else at.at(last_s).isoformat(),
        retry_after_ms=min(waits),
    )


def count_breakers(runtime: Runtime) -> BreakerCounts:
    states = [state_of(health) for health in runtime.live.models.values()]
    return BreakerCounts(
        open=states.count("OPEN"),
        half_open=states.count("HALF_OPEN"),
        closed=states.count("CLOSED"),
        total=len(states),
    )


def lockouts(runtime: Runtime) -> list[Lockout]:
    """What is left out of every plan now, why, and for how long."""
    at, live = moment(runtime), runtime.live
    rows: list[Lockout] = []
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
) -> Lockout:
    return Lockout(
        connection_id=connection,
        provider=connection.partition("/")[0],
        model=model,
        reason=health.blocked_by,
        retry_after_ms=at.left_ms(health.blocked_until_s),
        until=at.at(health.blocked_until_s).isoformat(),
    )


def learned_limits(runtime: Runtime) -> dict[str, dict[str, LearnedLimits]]:
    """What providers said about their limits, by `provider/connection`, then model."""
    at = moment(runtime)
    found: dict[str, dict[str, LearnedLimits]] = {}
    for key, health in runtime.live.models.items():
        if health.quotas:
            provider, connection, model = key.split("/", 2)
            found.setdefault(f"{provider}/{connection}", {})[model] = _quotas(health, at)
    return found


def _quotas(health: ModelHealth, at: Moment) -> LearnedLimits:
    by_name: dict[str, Any] = {
        name.replace("-", "_"): _quota(quota, health.quotas_at_s, at)
        for name, quota in health.quotas.items()
    }
    return LearnedLimits(learned_at=at.at(health.quotas_at_s).isoformat(), **by_name)


def _quota(quota: Quota, learned_s: float, at: Moment) -> LearnedLimit:
    return LearnedLimit(
        limit=quota.limit,
        remaining=quota.remaining,
        reset_ms=None if quota.reset_s is None else at.left_ms(learned_s + quota.reset_s),
    )


def queue_status(runtime: Runtime) -> dict[str, QueueCounts]:
    """By `provider/connection`: who waits, and who is being served."""
    return {
        key: QueueCounts(queued=health.queue.queued, running=health.queue.in_flight)
        for key, health in runtime.live.connections.items()
    }


def declared(config: Config) -> Iterator[tuple[Provider, Connection]]:
    for provider in config.providers.values():
        for connection in provider.connections.values():
            yield provider, connection


def scope_of(config: Config, provider: str | None, connection: str | None) -> str:
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


def reset(
    runtime: Runtime, *, provider: str | None = None, connection: str | None = None
) -> ResetDone:
    """Close breakers and end rests, of everything or of one provider or connection.

    Raises RequestError (404) for what is not declared.
    """
    count = runtime.live.reset(scope_of(runtime.snapshot.config, provider, connection))
    return ResetDone(ok=True, reset_count=count, message=f"Reset {count} circuit breaker(s)")
