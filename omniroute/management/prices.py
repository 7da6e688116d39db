"""What the models of the configuration cost now, who says so, and saying something else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, cast

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from omniroute.base.units import NANO
from omniroute.catalog.presets import card_of
from omniroute.catalog.pricing import PriceCard, Tier
from omniroute.config.model import Mark, Price, Provider
from omniroute.errors import RequestError
from omniroute.management.entries import unknown
from omniroute.management.place import Place
from omniroute.management.writeback import Author, change_config, change_section
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


Usd = Annotated[float, Meta(ge=0)]


class PriceChange(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """US dollars per million tokens, `unit` for one. What is left out stays, null takes it away."""

    input: Usd | UnsetType | None = UNSET
    output: Usd | UnsetType | None = UNSET
    cached: Usd | UnsetType | None = UNSET
    cache_creation: Usd | UnsetType | None = UNSET
    unit: Usd | UnsetType | None = UNSET


PriceChanges = dict[str, dict[str, PriceChange]]
"""By provider and model."""
Prices = dict[str, dict[str, PriceReport]]
"""By provider and model, as both are declared."""


def prices(runtime: Runtime) -> Prices:
    """By provider and model, as both are declared."""
    config = runtime.snapshot.config
    found: Prices = {}
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


async def set_prices(runtime: Runtime, wanted: PriceChanges, *, author: Author) -> Prices:
    """Declare prices of models, which are declared with them where they were not; those prices.

    Raises RequestError: 404 for an unknown provider, and as `change_section`.
    """
    for provider in wanted:
        _require(runtime, provider)
    values = {
        provider: {"models": {model: {"price": _in_file(one)} for model, one in models.items()}}
        for provider, models in wanted.items()
    }
    await change_section(runtime, "providers", values, author=author)
    known = prices(runtime)
    return {
        provider: {model: known[provider][model] for model in models if model in known[provider]}
        for provider, models in wanted.items()
        if provider in known
    }


async def reset_prices(
    runtime: Runtime, provider: str, model: str | None, *, author: Author
) -> Prices:
    """Take a model's declared price away, or those of all models of a provider; all prices.

    Raises RequestError: 404 where none is declared, and as `change_config`.
    """
    preset = _require(runtime, provider).preset

    def change(tree: dict[str, Any]) -> None:
        providers = cast("dict[str, dict[str, Any]]", tree.get("providers") or {})
        entry = providers.get(provider) or {}
        models = cast("dict[str, dict[str, Any] | None]", entry.get("models") or {})
        priced = [name for name, one in models.items() if one and "price" in one]
        gone = priced if model is None else [name for name in priced if name == model]
        if not gone:
            raise RequestError("not_found", f'no price is declared of "{model or provider}"')
        left = {
            name: {key: value for key, value in (one or {}).items() if key != "price"}
            if name in gone
            else one
            for name, one in models.items()
        }
        if preset is not None:  # it lists the model without our word for it
            left = {name: one for name, one in left.items() if one or name not in gone}
        entry["models"] = left
        if not left:
            del entry["models"]

    await change_config(runtime, change, author=author)
    return prices(runtime)


def _require(runtime: Runtime, provider: str) -> Provider:
    found = runtime.snapshot.config.providers.get(provider)
    if found is None:
        raise unknown(("providers",), provider)
    return found


def _in_file(change: PriceChange) -> dict[str, float | None]:
    said = {
        "input": change.input,
        "output": change.output,
        "cached_input": change.cached,
        "cache_write": change.cache_creation,
        "unit": change.unit,
    }
    return {name: _number(value) for name, value in said.items() if value is not UNSET}


def _number(value: float | None) -> float | None:
    """As a person writes it: 1, not 1.0."""
    return int(value) if value is not None and value.is_integer() else value


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
