"""Trying a combo: each connection that one of its targets could be asked through is probed."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from omniroute.config.model import StrategyName
from omniroute.management.entries import unknown
from omniroute.management.moment import Instant
from omniroute.management.probes import ProbeReport, probe
from omniroute.routing.resolve import leaves_of, resolve
from omniroute.routing.values import Candidate
from omniroute.worker.runtime import Runtime

AT_ONCE: Final = 8
"""Providers that are asked at the same time."""


class WhichCombo(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A combo."""

    combo_name: Annotated[str, Meta(min_length=1, max_length=128)]


class TargetTrial(Struct, frozen=True, kw_only=True, rename="camel"):
    """One model through one connection. `listed` tells whether the provider lists the model; null
    where it listed nothing."""

    model: str
    provider: str
    connection_id: str
    status: Literal["ok", "error"]
    error: str | None
    latency_ms: float | None
    listed: bool | None


class ComboTrial(Struct, frozen=True, kw_only=True, rename="camel"):
    """In the order of the file. `resolvedBy` is the first model whose connection works."""

    combo_name: str
    strategy: StrategyName
    resolved_by: str | None
    results: list[TargetTrial]
    tested_at: Instant


async def try_combo(runtime: Runtime, wanted: WhichCombo) -> ComboTrial:
    """Asks providers for their models, and nobody for an answer. Raises RequestError (404)."""
    combo = runtime.snapshot.config.combos.get(wanted.combo_name)
    if combo is None:
        raise unknown(("combos",), wanted.combo_name)
    leaves = leaves_of(resolve(runtime.snapshot.index, combo.id).node)
    candidates = {one.key: one for leaf in leaves for one in leaf.candidates}
    turns = asyncio.Semaphore(AT_ONCE)

    async def probed(connection: str) -> ProbeReport:
        async with turns:
            return await probe(runtime, connection)

    connections = list(dict.fromkeys(one.connection_key for one in candidates.values()))
    reports = await asyncio.gather(*(probed(one) for one in connections))
    by_connection = dict(zip(connections, reports, strict=True))
    results = [_trial(one, by_connection[one.connection_key]) for one in candidates.values()]
    return ComboTrial(
        combo_name=combo.id,
        strategy=combo.strategy,
        resolved_by=next((one.model for one in results if one.status == "ok"), None),
        results=results,
        tested_at=runtime.clock.now().isoformat(),
    )


def _trial(candidate: Candidate, report: ProbeReport) -> TargetTrial:
    return TargetTrial(
        model=candidate.model,
        provider=candidate.provider.id,
        connection_id=candidate.connection_key,
        status="ok" if report.valid else "error",
        error=report.error,
        latency_ms=report.latency_ms,
        listed=candidate.upstream_model in report.models if report.models else None,
    )
