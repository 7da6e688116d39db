"""The active configuration as people may see it: references as written, secrets masked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast

from msgspec import Struct

from omniroute.base.secret import MASK
from omniroute.config.model import Config, Ref
from omniroute.config.refs import EnvRef, FileRef, parse_refs

HASH_CHARS = 8
"""Of a key's hash, enough to tell two apart."""


def masked(config: Config) -> dict[str, Any]:
    """The configuration as plain JSON. Text beside a reference is taken for a secret as well."""
    shown = _plain(config)
    del shown["positions"], shown["tests"]
    for key in shown["keys"].values():
        key["hashes"] = [f"sha256:{digest[:HASH_CHARS]}…" for digest in key["hashes"]]
    return shown


def _plain(value: Any) -> Any:
    match value:
        case Ref():
            return "".join(_part(part) for part in parse_refs(value.text))
        case Struct():
            return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
        case Mapping():
            entries = cast("Mapping[object, object]", value)
            return {str(name): _plain(item) for name, item in entries.items()}
        case tuple() | list():
            return [_plain(item) for item in cast("Iterable[object]", value)]
        case datetime():
            return value.isoformat()
        case _:
            return value


def _part(part: str | EnvRef | FileRef) -> str:
    match part:
        case str():
            return MASK
        case EnvRef():
            return f"${{env:{part.name}}}"
        case FileRef():
            return f"${{file:{part.path}}}"
