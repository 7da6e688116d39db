"""What is known about models: kind, context window, capabilities. Looked up offline."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

from omniroute.config.model import ModelKind


class ModelFacts(Struct, frozen=True, kw_only=True):
    """What a provider's model can do; None where nobody said."""

    kind: ModelKind = "chat"
    context_window: int | None = None
    max_output_tokens: int | None = None
    capabilities: tuple[str, ...] | None = None
    """Of `tools`, `vision`, `json_schema`, `reasoning`."""


class _File(Struct, frozen=True, kw_only=True):
    """models.json, as scripts/update_catalog.py writes it."""

    source: str
    date: str
    providers: dict[str, dict[str, ModelFacts]]


def facts_for(provider: str, model: str) -> ModelFacts | None:
    """By the catalog's name of the provider (see `presets.catalog_name`) and the provider's id."""
    return known_models(provider).get(model)


def known_models(provider: str) -> Mapping[str, ModelFacts]:
    """All that is known of a provider; empty when the catalog does not know it."""
    return _load().providers.get(provider, {})


@cache
def _load() -> _File:
    raw = files("omniroute.catalog").joinpath("models.json").read_bytes()
    return msgspec.json.decode(raw, type=_File)
