"""A provider's entry completed: its preset filled in, declared fields winning."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Mapping
from typing import Any, Final, cast

import msgspec
from msgspec.structs import asdict

from omniroute.config.bind import FieldBinding, Values
from omniroute.config.diagnostics import Path
from omniroute.config.model import Connection, DeclaredPreset, Quirks
from omniroute.config.preset import Catalog, Preset, make_preset
from omniroute.config.schema import suggest
from omniroute.config.yamltree import Map

DEFAULT_CONNECTION: Final = Connection(id="default")
_HINTS: Final = {
    "format": "add `format: openai-chat`, or a `preset`",
    "base_url": "add `base_url: https://…`, or a `preset`",
}


class Presets:
    """`formats` are the names of the translation tables; None leaves them unchecked."""

    def __init__(
        self, shipped: Mapping[str, Preset], catalog: Catalog, formats: Collection[str] | None
    ) -> None:
        self._declared: dict[str, Preset] = {}
        self.all = ChainMap(self._declared, cast("dict[str, Preset]", shipped))
        """The file's own in front of the shipped ones."""
        self._catalog = catalog
        self._formats = formats

    def declare(self, values: Values, node: Map, path: Path, binding: FieldBinding) -> Values:
        """Take a preset of the file's own; those that are declared later are not known to it."""
        name = str(path[-1])
        self._check_format(values.get("format"), node, path, binding)
        chats = values.get("chat_of")
        if chats is not None and chats not in self.all:
            message, hint = self._unknown(chats)
            binding.report("OR501", (*path, "chat_of"), message, hint=hint)
        declared = msgspec.convert({"format": "", **values, "id": name}, DeclaredPreset)
        self._declared[name] = make_preset(declared, self._catalog, self.all.get)
        return values

    def complete(
        self, values: Values, node: Map, path: Path, binding: FieldBinding
    ) -> Values | None:
        """None for a provider of which nobody says where it is or what it speaks."""
        name: str | None = values.get("preset")
        preset = None if name is None else self.all.get(name)
        if name is not None and preset is None:
            message, hint = self._unknown(name)
            binding.report("OR501", (*path, "preset"), message, hint=hint)
        if preset is not None:
            values = _over(preset, values)
        if "format" in node.entries or name not in self._declared:
            self._check_format(values.get("format"), node, path, binding)
        missing = [field for field in _HINTS if field not in values]
        for field in missing if name is None else ():
            message = f'provider "{path[-1]}" has neither a preset nor "{field}"'
            binding.report("OR503", path, message, hint=_HINTS[field], at_key=True)
        if preset is not None and "base_url" in missing:
            message = f'"{name}" is at another URL for each customer, and "base_url" is not there'
            hint = f"add `base_url: {preset.own_url or 'https://…'}`"
            binding.report("OR503", path, message, hint=hint, at_key=True)
        if missing:
            return None
        return {**values, "connections": values.get("connections") or _ALONE}

    def _unknown(self, name: str) -> tuple[str, str]:
        hint = suggest(name, self.all) or "`omniroute providers` lists them"
        return f'there is no preset "{name}"', hint

    def _check_format(self, name: str | None, node: Map, path: Path, binding: FieldBinding) -> None:
        if self._formats is None or name is None or name in self._formats:
            return
        by = "format" if "format" in node.entries else "preset"
        message = f'there is no format "{name}"'
        binding.report("OR502", (*path, by), message, hint=suggest(name, self._formats))


_ALONE: Final = {DEFAULT_CONNECTION.id: DEFAULT_CONNECTION}


def _over(preset: Preset, values: Values) -> Values:
    """The preset's values under the declared ones; maps are joined, a model field by field."""
    models: dict[str, Any] = dict(preset.models)
    unlisted = dict(preset.unlisted)
    for name, declared in values.get("models", {}).items():
        shipped = preset.models.get(name) or unlisted.pop(name, None)
        models[name] = declared if shipped is None else {**msgspec.to_builtins(shipped), **declared}
    url = {} if preset.base_url is None else {"base_url": preset.base_url}
    return {
        "format": preset.format,
        **url,
        "allow_private_network": preset.allow_private_network,
        **values,
        "headers": {**preset.headers, **values.get("headers", {})},
        "omit": tuple(dict.fromkeys((*preset.omit, *values.get("omit", ())))),
        "rename": {**preset.rename, **values.get("rename", {})},
        "quirks": _quirks(preset.quirks, values.get("quirks")),
        "query": {**preset.query, **values.get("query", {})},
        "auth": values.get("auth") or (None if preset.auth is None else asdict(preset.auth)),
        "models": models,
        "unlisted": unlisted,
        "catalog": preset.catalog,
        "free": preset.free,
    }


def _quirks(shipped: Quirks | None, declared: Values | None) -> Values | None:
    if shipped is None:
        return declared
    known = {name: value for name, value in asdict(shipped).items() if value is not None}
    return {**known, **(declared or {})}
