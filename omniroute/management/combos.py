"""Combos as they are declared, and declaring them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, cast

from msgspec import UNSET, Meta, Struct, UnsetType

from omniroute.config.model import Combo, StrategyName, Target
from omniroute.management.entries import Entry, Resource, at_the_top, unknown
from omniroute.management.place import Place, place
from omniroute.worker.runtime import Runtime

SECTION = "combos"
_PLAIN: Final = Combo(id="", targets=())
_UNSAID: Final[Mapping[str, Any]] = {
    "strategy": _PLAIN.strategy,
    "fallback_on": list(_PLAIN.fallback_on),
    "max_attempts": _PLAIN.max_attempts,
}
Name = Annotated[str, Meta(min_length=1, max_length=128)]


class ComboModel(Struct, frozen=True, kw_only=True, rename="camel"):
    """A target: a model, an alias or a combo. `when` is the condition under which it takes part."""

    model: str
    weight: int
    when: str | None


class ComboReport(Place, frozen=True, kw_only=True, rename="camel"):
    """One combo; its targets are called `models`, as clients of the original know them."""

    id: str
    name: str
    strategy: StrategyName
    models: list[ComboModel]
    fallback_on: list[str]
    max_attempts: int


class Combos(Struct, frozen=True, kw_only=True, rename="camel"):
    """All that are declared."""

    combos: list[ComboReport]


class ComboTarget(Struct, frozen=True, kw_only=True, rename="camel"):
    """What is left out stays as it is for this model, if it was there."""

    model: str
    weight: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    when: str | UnsetType | None = UNSET


Models = Annotated[list[str | ComboTarget], Meta(min_length=1)]


class ComboChange(Struct, frozen=True, kw_only=True, rename="camel"):
    """What is left out stays; with another `name` the combo is renamed."""

    name: Name | UnsetType = UNSET
    strategy: StrategyName | UnsetType = UNSET
    models: Models | UnsetType = UNSET
    fallback_on: list[str] | UnsetType = UNSET
    max_attempts: Annotated[int, Meta(ge=1)] | UnsetType = UNSET


class NewCombo(Struct, frozen=True, kw_only=True, rename="camel"):
    """A combo to be declared."""

    name: Name
    strategy: StrategyName | UnsetType = UNSET
    models: Models
    fallback_on: list[str] | UnsetType = UNSET
    max_attempts: Annotated[int, Meta(ge=1)] | UnsetType = UNSET


def combos(runtime: Runtime) -> Combos:
    found = runtime.snapshot.config.combos.values()
    return Combos(combos=[_report(runtime, one) for one in found])


def combo(runtime: Runtime, name: str) -> ComboReport:
    """Raises RequestError (404)."""
    found = runtime.snapshot.config.combos.get(name)
    if found is None:
        raise unknown((SECTION,), name)
    return _report(runtime, found)


def _report(runtime: Runtime, declared: Combo) -> ComboReport:
    where = place(runtime.snapshot.config.positions.get((SECTION, declared.id)))
    return ComboReport(
        id=declared.id,
        name=declared.id,
        strategy=declared.strategy,
        models=[
            ComboModel(model=target.model, weight=target.weight, when=target.when)
            for target in declared.targets
        ],
        fallback_on=[str(one) for one in declared.fallback_on],
        max_attempts=declared.max_attempts,
        **where,
    )


def _made(wanted: NewCombo) -> Entry:
    return _with({}, wanted)


def _revised(entry: Entry, wanted: ComboChange) -> Entry:
    return _with(entry, wanted)


def _with(entry: Entry, change: ComboChange | NewCombo) -> Entry:
    said: dict[str, Any] = {
        "strategy": change.strategy,
        "targets": UNSET
        if change.models is UNSET
        else _targets(entry.get("targets") or (), change.models),
        "fallback_on": change.fallback_on,
        "max_attempts": change.max_attempts,
    }
    changed = {
        name: value
        for name, value in said.items()
        # What is as it would be without being said stays unsaid.
        if value is not UNSET and (name in entry or value != _UNSAID.get(name))
    }
    return {**entry, **changed}


def _targets(
    before: Sequence[str | Mapping[str, Any]], wanted: Sequence[str | ComboTarget]
) -> list[str | Mapping[str, Any]]:
    """Targets as a file has them, each with what it had where nothing else is said."""
    declared = {_model_of(one): one for one in before}
    made: list[str | Mapping[str, Any]] = []
    for one in wanted:
        target = ComboTarget(model=one) if isinstance(one, str) else one
        found = declared.get(target.model, target.model)
        entry: dict[str, Any] = {"model": found} if isinstance(found, str) else dict(found)
        for name, value in (("weight", target.weight), ("when", target.when)):
            if value is None or (name == "weight" and value == Target(model="").weight):
                entry.pop(name, None)
            elif value is not UNSET:
                entry[name] = value
        made.append(target.model if entry.keys() == {"model"} else entry)
    return made


def _model_of(target: str | Mapping[str, Any]) -> str:
    return target if isinstance(target, str) else cast("str", target.get("model"))


COMBOS = Resource(
    noun="combo",
    where=at_the_top(SECTION),
    show_all=combos,
    show=combo,
    id_of=lambda wanted: wanted.name,
    made=_made,
    revised=_revised,
    renamed=lambda id, change: id if change.name is UNSET else change.name,
)
