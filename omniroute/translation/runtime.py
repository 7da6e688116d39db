"""What generated table code calls while it runs: the context's parts and the honest refusals."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from omniroute.errors import TranslationError
from omniroute.expr.functions import type_name
from omniroute.translation.shape import is_array, is_object

Context = dict[str, Any]
"""One conversion's surroundings, by the names that `var()` reads; owned by that conversion."""


def not_a_list(field: str, value: object) -> TranslationError:
    return TranslationError(f"{field} must be an array, not {type_name(value)}", param=field)


def no_case(field: str, value: object) -> TranslationError:
    shown = value if type(value) is str else type_name(value)
    return TranslationError(f"{field}: {shown!r} cannot be translated", param=field)


def refuse(field: str, message: str) -> TranslationError:
    return TranslationError(message, param=field)


def drop(ctx: Context, name: str) -> None:
    """Note that something was left out, once."""
    dropped: dict[str, None] = ctx["dropped"]
    dropped[name] = None


def has(ctx: Context, capability: str) -> bool:
    """The model is known to have it."""
    known = ctx.get("capabilities")
    return known is not None and capability in known


def lacks(ctx: Context, capability: str) -> bool:
    """The model's capabilities are known, and this is not among them."""
    known = ctx.get("capabilities")
    return known is not None and capability not in known


def new_id(ctx: Context, prefix: object) -> str:
    """An id that is fresh in this answer; the same seed gives the same ids, in order."""
    ctx["ids"] = count = ctx.get("ids", 0) + 1
    digest = blake2b(f"{ctx.get('seed', '')}/{count}".encode(), digest_size=12).hexdigest()
    return f"{prefix}{digest}"


def hub_of(ctx: Context) -> Any:
    """The hub's request of an answer, decoded when an expression asks for it first."""
    if "hub" not in ctx and "decode_hub" in ctx:
        ctx["hub"] = ctx["decode_hub"]()
    return ctx.get("hub")


def lookup(table: Mapping[str, Any], key: object) -> Any:
    return table.get(key) if type(key) is str else None


def band(table: Mapping[str, Any], value: object) -> Any:
    """The name whose number is the largest that `value` reaches; the first when it is below all."""
    if not isinstance(value, int | float) or value is True or value is False:
        return None
    found = None
    for name, least in table.items():
        if isinstance(least, int | float) and (found is None or value >= least):
            found = name
    return found


def add(items: list[Any], value: Any) -> None:
    """One part of a concatenation: a list's items, one value, or nothing."""
    if is_array(value):
        items.extend(value)  # pyright: ignore[reportUnknownArgumentType] - JSON
    elif value is not None:
        items.append(value)


def spread(target: dict[str, Any], value: Any) -> None:
    """Another object's members into this one; null is nothing."""
    if is_object(value):
        target.update(value)  # pyright: ignore[reportUnknownArgumentType] - JSON


def merge_neighbours(items: list[Any], field: str) -> list[Any]:
    """Join neighbours that differ in nothing but their lists, which are put one after another."""
    merged: list[Any] = []
    ours = False  # the last one is a copy, which may grow
    for item in items:
        if not merged or not _alike(merged[-1], item, field):
            merged.append(item)
            ours = False
            continue
        if not ours:
            merged[-1] = {k: list(v) if is_array(v) else v for k, v in merged[-1].items()}
            ours = True
        last = merged[-1]
        for key, value in item.items():
            if is_array(value):
                if last.get(key) is None:
                    last[key] = []
                last[key].extend(value)
    return merged


def _alike(left: Any, right: Any, field: str) -> bool:
    if not is_object(left) or not is_object(right) or left.get(field) != right.get(field):
        return False
    return all(_joins(left.get(key), right.get(key)) for key in {*left, *right})


def _joins(left: Any, right: Any) -> bool:
    """Whether two members are lists, of which null is an empty one, or else the same."""
    if is_array(left):
        return right is None or is_array(right)
    return left is None if is_array(right) else left == right
