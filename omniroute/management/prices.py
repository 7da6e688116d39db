"""What the models of the configuration cost now, and who says so."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from omniroute.base.units import NANO
from omniroute.catalog.presets import card_of
from omniroute.catalog.pricing import PriceCard, Tier
from omniroute.config.model import Mark, Price
from omniroute.management.place import Place
from omniroute.routing.index import ModelIndex
from omniroute.worker.runtime import Runtime


class PriceTier(Struct, frozen=True, kw_only=True, rename="camel"):
    """US dollars per million tokens, for requests whose input is longer than `above` tokens."""

    above: int
    input: float | None
    output: float | None
    cached: float | None
    cache_creation: float | None


class PriceReport(Place, frozen=True, kw_only=True, rename="camel"):
    """US dollars per million tokens, and for each request and unit (a picture). All are null, and
    `source` too, where nobody knows the price; it is never 0 then. `source` is `config` with the
    place that declares it, `preset` for what is free by its nature, or the catalog with its day."""

    input: float | None = None
    output: float | None = None
    cached: float | None = None
    cache_creation: float | None = None
    unit: float | None = None
    request: float | None = None
    tiers: tuple[PriceTier, ...] = ()
    source: str | None = None
    date: str | None = None


def prices(runtime: Runtime) -> dict[str, dict[str, PriceReport]]:
    """By provider and model, as both are declared."""
    config = runtime.snapshot.config
    found: dict[str, dict[str, PriceReport]] = {}
    for provider, model, card in _cards(runtime.snapshot.index, runtime):
        mark = config.positions.get(("providers", provider, "models", model, "price"))
        if card is None:
            told = PriceReport(file=None, line=None)
        elif card.source == "config" and mark is None:
            told = replace(_told(card, None), source="preset")
        else:
            told = _told(card, mark)
        found.setdefault(provider, {})[model] = told
    return found


def _cards(index: ModelIndex, runtime: Runtime) -> Iterator[tuple[str, str, PriceCard | None]]:
    now = runtime.clock.now()
    for leaf in index.leaves.values():
        declared = leaf.declared
        if declared is None:
            continue
        known_as = declared.upstream_id or declared.id
        card = card_of(leaf.provider, known_as, at=now, declared=declared.price)
        yield leaf.provider.id, declared.id, card


def _told(card: PriceCard, mark: Mark | None) -> PriceReport:
    source, _, date = card.source.partition(", ")
    return PriceReport(
        file=None if mark is None else mark.file,
        line=None if mark is None else mark.line,
        **_of_tokens(card.base),
        unit=_usd(card.base.unit_nanousd),
        request=_usd(card.request_nanousd),
        tiers=tuple(PriceTier(above=tier.above, **_of_tokens(tier)) for tier in card.tiers),
        source=source,
        date=date or None,
    )


def _of_tokens(price: Price | Tier) -> dict[str, float | None]:
    return {
        "input": _usd(price.input_nanousd),
        "output": _usd(price.output_nanousd),
        "cached": _usd(price.cached_input_nanousd),
        "cache_creation": _usd(price.cache_write_nanousd),
    }


def _usd(nanousd: int | None) -> float | None:
    return None if nanousd is None else nanousd / NANO
