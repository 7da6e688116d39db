"""Shipped providers: what `preset: openai` stands for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
from msgspec import Struct

from omniroute.config.model import Model, ModelKind, Price
from omniroute.config.preset import Preset

_FREE: Final = Price(
    input_nanousd=0, output_nanousd=0, cached_input_nanousd=0, cache_write_nanousd=0
)


class _Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A preset as presets.yaml writes it."""

    title: str
    format: str
    base_url: str
    docs: str
    key_env: str | None = None
    allow_private_network: bool = False
    catalog: str | None = None
    free: bool = False
    models: dict[ModelKind, tuple[str, ...]] = {}


@cache
def load_presets() -> Mapping[str, Preset]:
    """All shipped presets by id. Read once per process; do not change the result."""
    raw = files("omniroute.catalog").joinpath("presets.yaml").read_bytes()
    entries = msgspec.yaml.decode(raw, type=dict[str, _Entry])
    return {id_: _preset(id_, entry) for id_, entry in entries.items()}


def _preset(id_: str, entry: _Entry) -> Preset:
    return Preset(
        id=id_,
        title=entry.title,
        format=entry.format,
        base_url=entry.base_url,
        docs=entry.docs,
        needs_key=entry.key_env is not None,
        api_key_env=entry.key_env,
        allow_private_network=entry.allow_private_network,
        models={
            model: Model(id=model, kind=kind, price=_FREE if entry.free else None)
            for kind, models in entry.models.items()
            for model in models
        },
    )
