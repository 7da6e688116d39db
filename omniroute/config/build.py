"""The checked tree to the frozen Config.

To add a field, write it in `model` and in the schema; a test tells where they differ. A section
keyed by id goes into `loader.ID_SECTIONS`. Rules that look at several values belong into
`omniroute.config.lint`; what an entry takes from elsewhere is a completion here.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from omniroute.config.bind import FieldBinding, Values, bind
from omniroute.config.diagnostics import Diagnostic, Path
from omniroute.config.inherit import complete_resilience
from omniroute.config.model import Config, ConfigTest, DeclaredPreset, Provider
from omniroute.config.preset import Catalog, NoCatalog, Preset
from omniroute.config.presets import Presets
from omniroute.config.yamltree import Map, walk

_NO_CATALOG: Final = NoCatalog()


class Built(Struct, frozen=True):
    """The config, complete where the tree was; what was wrong has its diagnostic."""

    config: Config
    diagnostics: tuple[Diagnostic, ...]
    presets: Mapping[str, Preset]
    """The file's own among them."""


def build_config(
    root: Map,
    *,
    absolute: Callable[[str], str],
    presets: Mapping[str, Preset],
    catalog: Catalog = _NO_CATALOG,
    formats: Collection[str] | None,
) -> Built:
    """`root` must have passed `check_schema`."""
    found = Presets(presets, catalog, formats)
    completions = {
        DeclaredPreset: found.declare,
        Provider: found.complete,
        ConfigTest: _add_mark,
        Config: _complete,
    }
    # Providers are completed from the file's own presets, wherever in it those stand.
    first = {name: entry for name, entry in root.entries.items() if name == "presets"}
    root = Map({**first, **root.entries}, root.mark)
    binding = FieldBinding(root, absolute=absolute, completions=completions)
    config = bind(binding, Config)
    # The default data folder lies beside the main file, a declared one beside what declares it.
    folder = posixpath.join(binding.folder_of(root.mark), config.server.data_dir)
    positions = {path: mark for path, mark, _ in walk(root) if path}
    config = replace(config, server=replace(config.server, data_dir=folder), positions=positions)
    return Built(config, tuple(binding.diagnostics), found.all)


def _complete(values: Values, node: Map, path: Path, binding: FieldBinding) -> Values:
    """A door with a key in it is shut unless the file says otherwise."""
    auth: Values = {"require_api_key": bool(values.get("keys")), **values.get("auth", {})}
    return complete_resilience({**values, "auth": auth}, node, path, binding)


def _add_mark(values: Values, node: Map, _path: Path, _binding: FieldBinding) -> Values:
    return {**values, "mark": node.mark}
