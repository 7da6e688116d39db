"""Models that the files themselves declare of a provider, and declaring them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from omniroute.config.change import merge
from omniroute.config.model import Model, ModelKind, Provider
from omniroute.management.entries import Entry, Where, adding, changing, removing, unknown
from omniroute.management.place import Place, place
from omniroute.management.writeback import Author, change_config
from omniroute.worker.runtime import Runtime

ProviderId = Annotated[str, Meta(min_length=1, max_length=128)]
ModelId = Annotated[str, Meta(min_length=1, max_length=512)]
Count = Annotated[int, Meta(ge=1)]


class DeclaredModel(Place, frozen=True, kw_only=True, rename="camel"):
    """One model that a file says something of; `name` is the id that the provider knows."""

    id: str
    provider: str
    name: str
    kind: ModelKind
    api_format: str
    context_window: int | None
    max_output_tokens: int | None
    capabilities: list[str] | None


class DeclaredModels(Struct, frozen=True, kw_only=True):
    """By provider; of one provider, where that was asked for, a list."""

    models: dict[str, list[DeclaredModel]] | list[DeclaredModel]


class DeclaredModelShown(Struct, frozen=True, kw_only=True):
    """As it is now."""

    model: DeclaredModel


class ModelGone(Struct, frozen=True, kw_only=True):
    removed: bool = True


class ModelChange(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is left out stays, null takes it away. `modelName` is the id that the provider knows."""

    provider: ProviderId
    model_id: ModelId
    model_name: ModelId | UnsetType | None = UNSET
    kind: ModelKind | UnsetType = UNSET
    context_window: Count | UnsetType | None = UNSET
    max_output_tokens: Count | UnsetType | None = UNSET
    capabilities: list[str] | UnsetType | None = UNSET


def declared_models(runtime: Runtime, provider: str | None) -> DeclaredModels:
    """Raises RequestError (404) for a provider that is not declared."""
    providers = runtime.snapshot.config.providers
    if provider is not None:
        return DeclaredModels(models=list(_models(runtime, _provider(runtime, provider))))
    found = {one.id: list(_models(runtime, one)) for one in providers.values()}
    return DeclaredModels(models={name: models for name, models in found.items() if models})


async def add_model(runtime: Runtime, wanted: ModelChange, *, author: Author) -> DeclaredModelShown:
    """Raises RequestError: 404 for an unknown provider, and as `adding`."""
    _provider(runtime, wanted.provider)
    await change_config(runtime, adding(_where(wanted), _revised({}, wanted)), author=author)
    return _shown(runtime, wanted)


async def change_model(
    runtime: Runtime, wanted: ModelChange, *, author: Author
) -> DeclaredModelShown:
    """Raises RequestError as `changing`."""
    edit = changing(_where(wanted), lambda entry: _revised(entry, wanted), new_name=wanted.model_id)
    await change_config(runtime, edit, author=author)
    return _shown(runtime, wanted)


async def remove_model(runtime: Runtime, provider: str, model: str, *, author: Author) -> ModelGone:
    """Raises RequestError as `removing`."""
    await change_config(runtime, removing(Where(_section(provider), model)), author=author)
    return ModelGone()


def _section(provider: str) -> tuple[str, ...]:
    return ("providers", provider, "models")


def _where(wanted: ModelChange) -> Where:
    return Where(_section(wanted.provider), wanted.model_id)


def _provider(runtime: Runtime, name: str) -> Provider:
    found = runtime.snapshot.config.providers.get(name)
    if found is None:
        raise unknown(("providers",), name)
    return found


def _models(runtime: Runtime, provider: Provider) -> Iterator[DeclaredModel]:
    for model in provider.models.values():
        mark = runtime.snapshot.config.positions.get((*_section(provider.id), model.id))
        if mark is not None:
            yield _report(runtime, provider, model)


def _report(runtime: Runtime, provider: Provider, model: Model) -> DeclaredModel:
    mark = runtime.snapshot.config.positions.get((*_section(provider.id), model.id))
    capabilities = model.capabilities
    return DeclaredModel(
        id=model.id,
        provider=provider.id,
        name=model.upstream_id or model.id,
        kind=model.kind,
        api_format=provider.format,
        context_window=model.context_window,
        max_output_tokens=model.max_output_tokens,
        capabilities=None if capabilities is None else list(capabilities),
        **place(mark),
    )


def _shown(runtime: Runtime, wanted: ModelChange) -> DeclaredModelShown:
    provider = _provider(runtime, wanted.provider)
    model = _report(runtime, provider, provider.models[wanted.model_id])
    return DeclaredModelShown(model=model)


def _revised(entry: Entry, change: ModelChange) -> Entry:
    said: dict[str, Any] = {
        "upstream_id": None if change.model_name == change.model_id else change.model_name,
        "kind": change.kind,
        "context_window": change.context_window,
        "max_output_tokens": change.max_output_tokens,
        "capabilities": change.capabilities,
    }
    return merge(entry, {name: value for name, value in said.items() if value is not UNSET})
