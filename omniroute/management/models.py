"""What is known of the models of every provider: of those that are listed, and of all others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from msgspec import Struct

from omniroute.catalog.presets import card_of
from omniroute.config.model import Model, ModelKind, Provider
from omniroute.routing.index import ModelIndex
from omniroute.routing.resolve import Listed, list_models
from omniroute.worker.runtime import Runtime

_COMBOS: Final = "combo"
_CAPABILITIES: Final = {"tools": "tool_calling"}
"""What clients call them, where it is not as the configuration does."""
_NANO: Final = 10**9


class ModelPrice(Struct, frozen=True, kw_only=True):
    """US dollars per million tokens; null where unknown."""

    input: float | None
    output: float | None
    cached_input: float | None
    cache_write: float | None
    source: str
    """`config`, or the catalog's source with its date."""


class CatalogModel(Struct, frozen=True, kw_only=True):
    """A model; what nobody knows is null."""

    id: str
    """What is asked for."""
    name: str
    """The provider's own id."""
    type: ModelKind | None
    custom: bool
    """The configuration says something of it, beside what its preset does."""
    listed: bool
    """It stands in lists of models; any other can be asked for, too, unless `strict_models`."""
    capabilities: dict[str, bool] | None
    context_length: int | None
    max_output_tokens: int | None
    price: ModelPrice | None


class ProviderCatalog(Struct, frozen=True, kw_only=True):
    """`active` is a provider with a connection that can be used."""

    provider: str
    active: bool
    models: list[CatalogModel]


class ModelCatalog(Struct, frozen=True, kw_only=True):
    """By the provider's id; combos stand under `combo`."""

    catalog: dict[str, ProviderCatalog]


def model_catalog(runtime: Runtime) -> ModelCatalog:
    """All providers of the configuration, each with all its models, and the combos."""
    index, now = runtime.snapshot.index, runtime.clock.now()
    combos = [_combo(row) for row in list_models(index) if row.owned_by == _COMBOS]
    found = {_COMBOS: ProviderCatalog(provider=_COMBOS, active=bool(combos), models=combos)}
    for provider in index.config.providers.values():
        found[provider.id] = ProviderCatalog(
            provider=provider.id,
            active=_is_active(index, provider),
            models=list(_models(index, provider, now)),
        )
    return ModelCatalog(catalog=found)


def _combo(row: Listed) -> CatalogModel:
    return CatalogModel(
        id=row.id,
        name=row.id,
        type=row.kind,
        custom=True,
        listed=True,
        capabilities=_named(row.capabilities),
        context_length=row.context_window,
        max_output_tokens=row.max_output_tokens,
        price=None,
    )


def _models(index: ModelIndex, provider: Provider, now: datetime) -> Iterator[CatalogModel]:
    for listed, models in ((True, provider.models), (False, provider.unlisted)):
        for model in models.values():
            name = model.upstream_id or model.id
            yield CatalogModel(
                id=f"{provider.id}/{model.id}",
                name=name,
                type=model.kind,
                custom=index.mark("providers", provider.id, "models", model.id) is not None,
                listed=listed,
                capabilities=_named(model.capabilities),
                context_length=model.context_window,
                max_output_tokens=model.max_output_tokens,
                price=_price(provider, model, name, now),
            )


def _price(provider: Provider, model: Model, name: str, now: datetime) -> ModelPrice | None:
    card = card_of(provider, name, at=now, declared=model.price)
    if card is None:
        return None
    base = card.base
    return ModelPrice(
        input=_usd(base.input_nanousd),
        output=_usd(base.output_nanousd),
        cached_input=_usd(base.cached_input_nanousd),
        cache_write=_usd(base.cache_write_nanousd),
        source=card.source,
    )


def _usd(nano: int | None) -> float | None:
    return None if nano is None else nano / _NANO


def _named(capabilities: tuple[str, ...] | None) -> dict[str, bool] | None:
    if capabilities is None:
        return None
    return {_CAPABILITIES.get(name, name): True for name in capabilities}


def _is_active(index: ModelIndex, provider: Provider) -> bool:
    return any(
        connection.enabled and f"{provider.id}/{connection.id}" not in index.unavailable
        for connection in provider.connections.values()
    )
