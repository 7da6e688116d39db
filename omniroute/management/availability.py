"""Which models answer now: from breakers, rests, learned limits and missing credentials."""

from __future__ import annotations

from typing import Literal, get_args

from msgspec import Struct

from omniroute.management.moment import Moment, moment
from omniroute.routing.resolve import leaves_of, list_models, resolve
from omniroute.routing.values import Candidate, Resolved
from omniroute.worker.runtime import Runtime

Status = Literal["available", "degraded", "unavailable"]


class CandidateState(Struct, frozen=True, kw_only=True, rename="camel"):
    """One connection that could answer for a model."""

    connection_id: str
    model: str
    available: bool
    reason: str | None
    retry_after_ms: int | None
    quota_left: float
    """The share of the provider's own limit that is left, as far as it is known."""


class ModelAvailability(Struct, frozen=True, kw_only=True, rename="camel"):
    """`degraded` is a model of which some connections rest."""

    model: str
    target: str
    available: bool
    status: Status
    retry_after_ms: int | None
    connections: list[CandidateState]


class Availability(Struct, frozen=True, kw_only=True, rename="camel"):
    """Every combo, alias and declared model, and how many are in each status."""

    models: list[ModelAvailability]
    summary: dict[Status, int]


class WhichModel(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A model, alias or combo."""

    model: str


def all_models(runtime: Runtime) -> Availability:
    """Every combo, alias and declared model."""
    index, at = runtime.snapshot.index, moment(runtime)
    rows = [_row(runtime, resolve(index, listed.id), at) for listed in list_models(index)]
    summary = {status: sum(row.status == status for row in rows) for status in get_args(Status)}
    return Availability(models=rows, summary=summary)


def one_model(runtime: Runtime, name: str) -> ModelAvailability:
    """Raises RequestError (404) when the name stands for nothing."""
    return _row(runtime, resolve(runtime.snapshot.index, name), moment(runtime))


def _row(runtime: Runtime, resolved: Resolved, at: Moment) -> ModelAvailability:
    found: dict[str, CandidateState] = {}
    for leaf in leaves_of(resolved.node):
        for candidate in leaf.candidates:
            found.setdefault(candidate.key, _candidate(runtime, candidate, at))
    rows = list(found.values())
    ready = sum(row.available for row in rows)
    waits = [row.retry_after_ms for row in rows if row.retry_after_ms is not None]
    return ModelAvailability(
        model=resolved.requested,
        target=resolved.id,
        available=ready > 0,
        status="unavailable" if not ready else "available" if ready == len(rows) else "degraded",
        retry_after_ms=min(waits) if waits and not ready else None,
        connections=rows,
    )


def _candidate(runtime: Runtime, candidate: Candidate, at: Moment) -> CandidateState:
    live = runtime.live
    reason, until_s = candidate.unavailable, 0.0
    connection = live.connections.get(candidate.connection_key)
    health = live.models.get(candidate.key)
    for known in (connection, health):
        if known is not None and reason is None and known.blocked_until_s > at.loop_s:
            reason, until_s = known.blocked_by, known.blocked_until_s
    return CandidateState(
        connection_id=candidate.connection_key,
        model=candidate.model,
        available=reason is None,
        reason=reason,
        retry_after_ms=at.left_ms(until_s) if until_s else None,
        quota_left=1.0 if health is None else round(health.quota_left, 4),
    )
