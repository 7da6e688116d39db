"""What a preset is: the value that the catalog hands in, so that config needs no catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from msgspec import Struct

from omniroute.config.model import DeclaredPreset, Model, ModelKind, Price, Quirks, Ref, SentKey

FREE: Final = Price(
    input_nanousd=0, output_nanousd=0, cached_input_nanousd=0, cache_write_nanousd=0
)


class Preset(Struct, frozen=True, kw_only=True):
    """What `preset: NAME` fills in; any field given in the file wins."""

    id: str
    title: str
    """The vendor's or server's own name, for listings."""
    docs: str = ""
    """The vendor's page on its API, for hints."""
    sources: tuple[str, ...] = ()
    """The pages that say what is said here."""
    format: str
    base_url: str | None
    """As the format's official SDK takes it; `echo:` marks what answers without network. None
    where every customer has another."""
    own_url: str | None = None
    """What such a URL looks like; for examples and hints."""
    models: Mapping[str, Model] = {}
    """What is worth listing."""
    unlisted: Mapping[str, Model] = {}
    """What else the catalog knows of the provider."""
    headers: Mapping[str, Ref] = {}
    needs_key: bool = True
    """False for servers that answer without a credential."""
    api_key_env: str | None = None
    """The variable that holds the credential by the vendor's convention; for examples and hints."""
    allow_private_network: bool = False
    """True for servers that usually run on one's own machine."""
    catalog: str | None = None
    """The provider's name in the catalog of models and prices."""
    free: bool = False
    """Nobody bills its tokens: its models cost nothing unless a price is declared."""
    omit: tuple[str, ...] = ()
    rename: Mapping[str, str] = {}
    quirks: Quirks | None = None
    query: Mapping[str, str] = {}
    auth: SentKey | None = None


class Catalog(Protocol):
    """What is known of models, whoever has them."""

    def models(self, preset: DeclaredPreset) -> Mapping[str, ModelKind]:
        """All that are known of a preset's provider, with their kinds."""
        ...

    def model(self, preset: DeclaredPreset, model: str, kind: ModelKind) -> Model: ...


class NoCatalog:
    """Nothing is known but what is declared."""

    def models(self, preset: DeclaredPreset) -> Mapping[str, ModelKind]:
        return {}

    def model(self, preset: DeclaredPreset, model: str, kind: ModelKind) -> Model:
        return Model(id=model, kind=kind, price=FREE if preset.free else None)


def make_preset(
    declared: DeclaredPreset, catalog: Catalog, other: Callable[[str], Preset | None]
) -> Preset:
    """`other` finds the preset whose chat models these are too.

    A preset that lists no models has those of the catalog.
    """
    known = catalog.models(declared)
    models: dict[str, ModelKind] = {
        model: kind for kind, listed in declared.models.items() for model in listed
    }
    shared = None if declared.chat_of is None else other(declared.chat_of)
    if shared is not None:
        models |= {id_: one.kind for id_, one in shared.models.items() if one.kind == "chat"}
    listed = models or known
    return Preset(
        id=declared.id,
        title=declared.title or declared.id,
        docs=declared.docs,
        sources=declared.sources,
        format=declared.format,
        base_url=declared.base_url,
        own_url=declared.own_url,
        models={model: catalog.model(declared, model, kind) for model, kind in listed.items()},
        unlisted={
            model: catalog.model(declared, model, kind)
            for model, kind in known.items()
            if model not in listed
        },
        headers=declared.headers,
        needs_key=declared.key_env is not None,
        api_key_env=declared.key_env,
        allow_private_network=declared.allow_private_network,
        catalog=declared.catalog,
        free=declared.free,
        omit=declared.omit,
        rename=declared.rename,
        quirks=declared.quirks,
        query=declared.query,
        auth=declared.auth,
    )
