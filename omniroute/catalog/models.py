"""What is known about models: kind, context window, capabilities. Looked up offline."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from omniroute.config.model import ModelKind


class ModelFacts(Struct, frozen=True, kw_only=True):
    """What a provider's model can do; None where nobody said."""

    kind: ModelKind = "chat"
    context_window: int | None = None
    max_output_tokens: int | None = None
    capabilities: tuple[str, ...] | None = None
    """`tools`, `vision`, `json_schema`, `reasoning`, and what traits.yaml adds."""


class VectorFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of an embedding model; None where nobody said."""

    dimensions: int | None = None
    max_inputs: int | None = None


class _Vectors(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider in vectors.yaml."""

    source: str
    models: dict[str, VectorFacts]


class _File(Struct, frozen=True, kw_only=True):
    """models.json, as scripts/update_catalog.py writes it."""

    source: str
    date: str
    providers: dict[str, dict[str, ModelFacts]]


class _Trait(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule of traits.yaml."""

    models: tuple[str, ...]
    capabilities: tuple[str, ...]
    sources: tuple[str, ...]
    complete: bool = False


def facts_for(provider: str, model: str) -> ModelFacts | None:
    """By the catalog's name of the provider (see `presets.catalog_name`) and the provider's id."""
    return known_models(provider).get(model)


def known_models(provider: str) -> Mapping[str, ModelFacts]:
    """All that is known of a provider; empty when the catalog does not know it."""
    return _known().get(provider, {})


def vectors_of(provider: str, model: str) -> VectorFacts:
    """The names are those of `facts_for`."""
    known = _vectors().get(provider)
    return (known.models.get(model) if known is not None else None) or VectorFacts()


@cache
def _vectors() -> Mapping[str, _Vectors]:
    raw = files("omniroute.catalog").joinpath("vectors.yaml").read_bytes()
    return msgspec.yaml.decode(raw, type=dict[str, _Vectors])


@cache
def _known() -> Mapping[str, Mapping[str, ModelFacts]]:
    raw = files("omniroute.catalog").joinpath("traits.yaml").read_bytes()
    traits = msgspec.yaml.decode(raw, type=dict[str, tuple[_Trait, ...]])
    return {
        provider: {
            model: _with_traits(model, facts, traits.get(provider, ()))
            for model, facts in models.items()
        }
        for provider, models in _load().providers.items()
    }


def _with_traits(model: str, facts: ModelFacts, traits: tuple[_Trait, ...]) -> ModelFacts:
    """What is asked of a model only where it chats; where nothing is known, nothing is missing."""
    if facts.kind != "chat":
        return facts
    for trait in traits:
        known = facts.capabilities
        if known is None and not trait.complete:
            continue
        if any(fnmatchcase(model, pattern) for pattern in trait.models):
            facts = replace(
                facts, capabilities=tuple(dict.fromkeys((*(known or ()), *trait.capabilities)))
            )
    return facts


@cache
def _load() -> _File:
    raw = files("omniroute.catalog").joinpath("models.json").read_bytes()
    return msgspec.json.decode(raw, type=_File)
