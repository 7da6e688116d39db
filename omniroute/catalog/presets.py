"""Shipped providers: what `preset: openai` stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

import msgspec
from msgspec import Struct

from omniroute.catalog.models import ModelFacts, facts_for, vectors_of
from omniroute.catalog.pricing import PriceCard, has_price, has_prices, price_for, provider_at
from omniroute.config.model import Model, ModelKind, Price, Provider
from omniroute.config.preset import Preset

_FREE: Final = Price(
    input_nanousd=0, output_nanousd=0, cached_input_nanousd=0, cache_write_nanousd=0
)
_FREE_CARD: Final = PriceCard(base=_FREE, source="preset")


class _Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A preset as its file writes it; presets/README.md says what the fields mean."""

    title: str
    format: str
    base_url: str | None = None
    own_url: str | None = None
    docs: str
    sources: tuple[str, ...]
    key_env: str | None = None
    headers: dict[str, str] = {}
    allow_private_network: bool = False
    catalog: str | None = None
    free: bool = False
    chat_of: str | None = None
    models: dict[ModelKind, tuple[str, ...]] = {}


class _Shipped(Mapping[str, Preset]):
    """Reads a preset when it is asked for: a configuration uses few of them."""

    def __getitem__(self, id_: str) -> Preset:
        preset = _preset(id_)
        if preset is None:
            raise KeyError(id_)
        return preset

    def __iter__(self) -> Iterator[str]:
        return iter(_names())

    def __len__(self) -> int:
        return len(_names())

    def __contains__(self, id_: object) -> bool:
        return id_ in _names()


def catalog_name(provider: Provider) -> str | None:
    """What the catalog calls a configured provider: by its preset, wherever that is pointed, else
    by its URL. None for a server that the catalog knows nothing about."""
    entry = _entry(provider.preset or "")
    if entry is not None:
        return entry.catalog or provider.preset
    return provider_at(provider.base_url)


def card_of(
    provider: Provider, model: str, *, at: datetime, declared: Price | None
) -> PriceCard | None:
    """What a model of a configured provider costs at that instant; None when nobody knows.

    `model` is the id that the provider knows. A declared price wins; at a provider whose preset is
    free, everything else costs nothing.
    """
    if declared is None and _is_free(provider):
        return _FREE_CARD
    return price_for(catalog_name(provider), model, at=at, declared=declared)


def is_priced(provider: Provider, model: Model | None) -> bool:
    """Whether a declared model has a price; for None, whether one that the file does not declare
    can have one."""
    if _is_free(provider):
        return True
    name = catalog_name(provider)
    if model is None:
        return name is not None and has_prices(name)
    return model.price is not None or has_price(name, model.upstream_id or model.id)


def _is_free(provider: Provider) -> bool:
    entry = _entry(provider.preset or "")
    return entry is not None and entry.free


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
def _entry(id_: str) -> _Entry | None:
    if id_ not in _names():
        return None
    return msgspec.yaml.decode(_folder().joinpath(f"{id_}.yaml").read_bytes(), type=_Entry)


@cache
def _preset(id_: str) -> Preset | None:
    entry = _entry(id_)
    if entry is None:
        return None
    models = dict(entry.models)
    other = entry.chat_of and _entry(entry.chat_of)
    if other:
        models["chat"] = other.models["chat"]
    return Preset(
        id=id_,
        title=entry.title,
        format=entry.format,
        base_url=entry.base_url,
        own_url=entry.own_url,
        docs=entry.docs,
        sources=entry.sources,
        headers=entry.headers,
        needs_key=entry.key_env is not None,
        api_key_env=entry.key_env,
        allow_private_network=entry.allow_private_network,
        models={
            model: _model(model, kind, entry.catalog or id_, free=entry.free)
            for kind, of_kind in models.items()
            for model in of_kind
        },
    )


def _model(id_: str, kind: ModelKind, provider: str, *, free: bool) -> Model:
    """The price stays out, but for what costs nothing: it depends on the day (`price_for`)."""
    facts = facts_for(provider, id_) or ModelFacts()
    vectors = vectors_of(provider, id_)
    return Model(
        id=id_,
        kind=kind,
        context_window=facts.context_window,
        max_output_tokens=facts.max_output_tokens,
        capabilities=facts.capabilities,
        price=_FREE if free else None,
        dimensions=vectors.dimensions,
        max_inputs=vectors.max_inputs,
    )
