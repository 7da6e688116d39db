"""What an answer cost, or may cost: the candidate's price at that time, and tokens."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from omniroute.catalog.presets import card_of
from omniroute.catalog.pricing import cost_nanousd
from omniroute.routing.values import Candidate
from omniroute.translation.values import Usage


def cost_of(candidate: Candidate, usage: Usage, at: datetime) -> tuple[int, str] | None:
    """(nano-dollars, the price's source), None where a price or a count is unknown."""
    declared = candidate.declared.price if candidate.declared is not None else None
    card = card_of(candidate.provider, candidate.upstream_model, at=at, declared=declared)
    cost = cost_nanousd(
        card,
        input_uncached=usage.input_uncached,
        cache_read=usage.cache_read,
        cache_write=usage.cache_write,
        output=usage.output,
        units=usage.units,
    )
    return None if card is None or cost is None else (cost, card.source)


def saved_of(candidate: Candidate, usage: Usage, at: datetime, *, cost: int) -> int | None:
    """Nano-dollars that the provider's cache took off a cost; negative where it added."""
    counts = usage.input_uncached, usage.cache_read, usage.cache_write
    plain = replace(
        usage, input_uncached=sum(count or 0 for count in counts), cache_read=None, cache_write=None
    )
    without = cost_of(candidate, plain, at)
    return None if without is None else without[0] - cost
