"""Resilience settings laid over the global ones: a provider's and a combo's say what differs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import fields

from omniroute.config.bind import FieldBinding, Values
from omniroute.config.diagnostics import Path
from omniroute.config.model import Resilience
from omniroute.config.yamltree import Map


def complete_resilience(values: Values, _node: Map, _path: Path, _binding: FieldBinding) -> Values:
    """The whole configuration's values, with each entry's `resilience` made whole."""
    base: Values = values.get("resilience", {})
    for section in ("providers", "combos"):
        for entry in values.get(section, {}).values():
            own: Values | None = entry.get("resilience")
            if own is not None:
                entry["resilience"] = _over(base, own)
                if section == "combos":
                    entry["resilience_set"] = tuple(_set_fields(own))
    return values


def _over(base: Values, own: Values) -> Values:
    return {part: {**base.get(part, {}), **own.get(part, {})} for part in {**base, **own}}


def _set_fields(own: Values) -> Iterator[tuple[str, str]]:
    """The fields that are set, in the model's order and under its names."""
    for part in fields(Resilience):
        said: dict[str, Any] = own.get(part.encode_name, {})
        yield from ((part.name, one.name) for one in fields(part.type) if one.encode_name in said)
