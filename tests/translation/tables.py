"""The product's own tables, loaded once for all tests of translation."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from msgspec import structs

from omniroute.active.tables import read_tables
from omniroute.translation.format import Format
from omniroute.translation.registry import compile_text, load_formats
from omniroute.translation.values import Destination, Formats


@lru_cache(maxsize=1)
def formats() -> Formats:
    return load_formats(read_tables())


@lru_cache(maxsize=8)
def compiled(name: str) -> Format:
    """One table on its own, to call its functions directly."""
    file = f"{name}.yaml"
    made, _ = compile_text(file, read_tables()[file])
    assert made is not None
    return made


def target(**changes: Any) -> Destination:
    plain = Destination(
        provider="lab", model="upstream-model", stream=False, seed="seed", now_s=1700000000
    )
    return structs.replace(plain, **changes)
