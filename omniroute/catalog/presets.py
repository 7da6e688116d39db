"""Shipped providers: what `preset: openai` stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

import msgspec

from omniroute.catalog.models import ModelFacts, facts_for, known_models, vectors_of
from omniroute.catalog.pricing import PriceCard, has_price, has_prices, price_for, provider_at
from omniroute.config.model import DeclaredPreset, Model, ModelKind, Price, Provider
from omniroute.config.preset import FREE, Preset, make_preset

_FREE_CARD: Final = PriceCard(base=FREE, source="preset")


class _Shipped(Mapping[str, Preset]):
    """Reads a preset when it is asked for: a configuration uses few of them."""

    def __getitem__(self, id_: str) -> Preset:
        if id_ not in _names():
            raise KeyError(id_)
        return _preset(id_)

    def __iter__(self) -> Iterator[str]:
        return iter(_names())

    def __len__(self) -> int:
        return len(_names())


def catalog_name(provider: Provider) -> str | None:
    """What the catalog calls a configured provider: by its preset, wherever that is pointed, else
    by its URL. None for a server that the catalog knows nothing about."""
    return provider.catalog or provider_at(provider.base_url)


def card_of(
    provider: Provider, model: str, *, at: datetime, declared: Price | None
) -> PriceCard | None:
    """What a model of a configured provider costs at that instant; None when nobody knows.

    `model` is the id that the provider knows. A declared price wins; at a provider whose preset is
    free, everything else costs nothing.
    """
    if declared is None and provider.free:
        return _FREE_CARD
    return price_for(catalog_name(provider), model, at=at, declared=declared)


def is_priced(provider: Provider, model: Model | None) -> bool:
    """Whether a declared model has a price; for None, whether one that the file does not declare
    can have one."""
    if provider.free:
        return True
    name = catalog_name(provider)
    if model is None:
        return name is not None and has_prices(name)
    return model.price is not None or has_price(name, model.upstream_id or model.id)


def load_presets() -> Mapping[str, Preset]:
    """All shipped presets by id, sorted. Each is read once per process, and only if used."""
    return _Shipped()


@cache
def _names() -> tuple[str, ...]:
    names = [file.name for file in _folder().iterdir()]
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def _folder() -> Traversable:
    return files("omniroute.catalog").joinpath("presets")


@cache
def _preset(id_: str) -> Preset:
    raw = msgspec.yaml.decode(_folder().joinpath(f"{id_}.yaml").read_bytes(), type=dict[str, Any])
    declared = msgspec.convert({"catalog": id_, **raw, "id": id_}, DeclaredPreset)
    return make_preset(declared, CATALOG, load_presets().get)


class _ShippedCatalog:
    """See `omniroute.config.preset.Catalog`."""

    def models(self, preset: DeclaredPreset) -> Mapping[str, ModelKind]:
        return {model: facts.kind for model, facts in known_models(_named(preset)).items()}

    def model(self, preset: DeclaredPreset, model: str, kind: ModelKind) -> Model:
        """The price stays out, but for what costs nothing: it depends on the day (`price_for`)."""
        name = _named(preset)
        facts = facts_for(name, model) or ModelFacts()
        vectors = vectors_of(name, model)
        return Model(
            id=model,
            kind=kind,
            context_window=facts.context_window,
            max_output_tokens=facts.max_output_tokens,
            capabilities=facts.capabilities,
            price=FREE if preset.free else None,
            dimensions=vectors.dimensions,
            max_inputs=vectors.max_inputs,
        )


CATALOG: Final = _ShippedCatalog()


def _named(preset: DeclaredPreset) -> str:
    return preset.catalog or provider_at(preset.base_url or "") or preset.id
