"""Structs of the API that show and change parts of the configuration, made from the model's own.

A field of the configuration is written once, in `omniroute.config.model`. The API calls it in
camelCase and in its own units: a duration (`…_s`) is whole milliseconds (`…Ms`), money
(`…_nanousd`) is US dollars (`…Usd`), a rate is a `RateWindow`. Write the class that people see:

    class ProviderBreaker(shown(Breaker, names={"open_s": "resetTimeoutMs"}), frozen=True):
        \"""What opens a breaker.\"""

    class BreakerChange(changes(ProviderBreaker), frozen=True):
        \"""The same, each field where it is to change.\"""

`show` fills the first from a model's value, `in_file` reads the second as the file's fields.
`masked_kind` is the type of a model that is shown as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, cast, get_args, get_origin
from typing import get_type_hints as hints_of

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from omniroute.base.units import NANO
from omniroute.config.model import Ref
from omniroute.errors import RequestError
from omniroute.management.moment import Instant

T = TypeVar("T", bound=Struct)
_UNITS: Final = {"_s": "_ms", "_nanousd": "_usd"}
_RATE_UNITS: Final = {1000: "s", 60_000: "m", 3_600_000: "h", 86_400_000: "d"}


class RateWindow(Struct, frozen=True, rename="camel"):
    """So many within so long: a second, a minute, an hour or a day."""

    amount: Annotated[int, Meta(ge=0)]
    window_ms: int


def shown(
    model: type[Struct],
    *,
    names: Mapping[str, str] | None = None,
    parts: Collection[type[Struct]] = (),
    only: Collection[str] | None = None,
    without: Collection[str] = (),
    base: type[Struct] = Struct,
) -> type[Struct]:
    """A base for the class that shows `model`: every field of it, `only` some, or all `without`.

    `names` are the JSON names of fields that are not simply the model's in camelCase; `parts` the
    shown classes of models that stand in fields of this one, `base` has fields of its own.
    """
    by_model = {_source(part): part for part in parts}
    fields: list[tuple[str, Any]] = []
    rename: dict[str, str] = {}
    hints = hints_of(model)
    for name in model.__struct_fields__:
        if name in without or (only is not None and name not in only):
            continue
        own = _in_api(name)
        fields.append(
            (own, _replaced(hints[name], lambda kind, of=name: _kind(kind, of, by_model)))
        )
        rename[own] = (names or {}).get(name, _camel(own))
    return msgspec.defstruct(
        f"Shown{model.__name__}",
        fields,
        bases=(base,),
        frozen=True,
        kw_only=True,
        rename=rename,
        namespace={"SOURCE": model},
    )


def show(kind: type[T], value: Struct, **more: object) -> T:
    """`value` as its shown class; `more` are the fields that the class adds to the model's.

    Those that follow from the value alone come from the class itself, by its `derive(value)`.
    """
    hints = hints_of(kind)
    derive = getattr(kind, "derive", None)
    found: dict[str, Any] = {**(derive(value) if derive is not None else {}), **more}
    for name in type(value).__struct_fields__:
        own = _in_api(name)
        if own in hints and own not in found:
            found[own] = _value(name, getattr(value, name), hints[own])
    return kind(**found)


def path_in_api(kind: type[Struct], *names: str) -> str:
    """Where a shown class has a model's field: `queue`, `min_gap_s` as `requestQueue.minGapMs`."""
    steps: list[str] = []
    for name in names:
        own = _in_api(name)
        (field,) = (field for field in msgspec.structs.fields(kind) if field.name == own)
        steps.append(field.encode_name)
        kind = hints_of(kind)[own]
    return ".".join(steps)


@cache
def changes(kind: type[Struct]) -> type[Struct]:
    """A base for a request's body: the fields of a shown class, each of which may be left out.

    Numbers are 0 or more; what is unknown is refused.
    """
    fields: list[tuple[str, Any, Any]] = []
    rename: dict[str, str] = {}
    hints = hints_of(kind)
    for field in msgspec.structs.fields(kind):
        fields.append((field.name, _replaced(hints[field.name], _changed) | UnsetType, UNSET))
        rename[field.name] = field.encode_name
    return msgspec.defstruct(
        f"{kind.__name__}Change",
        fields,
        frozen=True,
        kw_only=True,
        rename=rename,
        forbid_unknown_fields=True,
        namespace={"SOURCE": _source(kind)},
    )


def in_file(change: Struct, *, whole: bool) -> dict[str, Any]:
    """A change as the fields of the file's section; with `whole`, what it leaves out goes."""
    model = _source(type(change))
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(model):
        own = _in_api(field.name)
        if own not in change.__struct_fields__:
            continue
        key, value = field.encode_name, getattr(change, own)
        if value is not UNSET:
            found[key] = _written(field.name, value, whole=whole)
        elif whole:
            found[key] = None
    return found


def _written(name: str, value: Any, *, whole: bool) -> Any:
    if isinstance(value, RateWindow):
        return _rate(value)
    if isinstance(value, Struct):
        return in_file(value, whole=whole)
    if name.endswith("_s") and value is not None:
        return f"{value}ms" if value % 1000 or not value else f"{value // 1000}s"
    return list(cast("tuple[Any, ...]", value)) if isinstance(value, tuple) else value


def _rate(value: RateWindow) -> str:
    unit = _RATE_UNITS.get(value.window_ms)
    if unit is None:
        message = "a window is a second, a minute, an hour or a day"
        raise RequestError("invalid_request", message, param="windowMs")
    return f"{value.amount}/{unit}"


def _source(kind: type[Struct]) -> type[Struct]:
    """The model's class that a shown or changing class was made from."""
    return cast("Any", kind).SOURCE


def _in_api(name: str) -> str:
    for unit, own in _UNITS.items():
        if name.endswith(unit):
            return name.removesuffix(unit) + own
    return name


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _kind(kind: Any, name: str, parts: Mapping[Any, Any]) -> Any:
    """The type that one of a model's is shown as."""
    if kind is float and name.endswith("_s"):
        return int
    if kind is int and name.endswith("_nanousd"):
        return float
    if kind == tuple[int, float]:
        return RateWindow
    if kind in parts:
        return parts[kind]
    if _is_struct(kind):
        raise TypeError(f"{name} needs a shown class of {kind.__name__} among the parts")
    return _plain_kind(kind)


def _changed(kind: Any) -> Any:
    if kind in (int, float):
        return Annotated[kind, Meta(ge=0)]
    return changes(kind) if _is_struct(kind) and kind is not RateWindow else kind


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _value(name: str, value: Any, kind: Any) -> Any:
    if value is None:
        return None
    if name.endswith("_s"):
        return round(value * 1000)
    if name.endswith("_nanousd"):
        return value / NANO
    for one in _choices(kind):
        if one is RateWindow:
            return RateWindow(amount=value[0], window_ms=round(value[1] * 1000))
        if hasattr(one, "SOURCE"):
            return show(one, value)
    return value


def _choices(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _replaced(kind: Any, replace: Callable[[Any], Any]) -> Any:
    """A type with `replace` applied to it, or to each of a union's."""
    choices = tuple(replace(one) for one in _choices(kind))
    return choices[0] if len(choices) == 1 else Union[choices]  # noqa: UP007 - built at run time


@cache
def masked_kind(model: type[Struct], *, without: tuple[str, ...] = ()) -> type[Struct]:
    """The type of a model as plain JSON: its own fields, references as text.

    `without` are fields that are not shown.
    """
    hints = hints_of(model)
    return msgspec.defstruct(
        f"{model.__name__}Config",
        [
            (name, _plain_kind(hints[name]))
            for name in model.__struct_fields__
            if name not in without
        ],
        frozen=True,
        kw_only=True,
    )


def _plain_kind(kind: Any) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Ref:
        return str
    if kind is datetime:
        return Instant
    if _is_struct(kind):
        return masked_kind(kind)
    if origin in (Union, UnionType):
        return _replaced(kind, _plain_kind)
    if origin is tuple:
        return tuple[tuple(_plain_kind(one) for one in inner)]
    if origin is Mapping:
        return dict[inner[0], _plain_kind(inner[1])]
    return Any if kind is object else kind
