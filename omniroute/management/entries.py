"""Entries of a section, shown, made, changed and taken away as edits of the files.

A section is a map from names to entries, at the top (`combos`) or within an entry of another
(`providers.lab.models`), or a list of entries that say their `id` (`policies`: the order decides).
What the API has of one kind of entries is a `Resource`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar, cast

from msgspec import Struct

from omniroute.config.change import Change
from omniroute.errors import RequestError
from omniroute.management.writeback import Author, change_config
from omniroute.worker.runtime import Runtime

R = TypeVar("R")
N = TypeVar("N")
C = TypeVar("C")

Entry = Mapping[str, Any]
"""As the file has it."""
Section = tuple[str, ...]
"""Where entries stand, name by name."""
_LISTS: Final[frozenset[Section]] = frozenset({("policies",)})


class Where(Struct, frozen=True):
    """An entry's place: its section, and its name there."""

    section: Section
    name: str


class Resource(Struct, Generic[R, N, C], frozen=True, kw_only=True):
    """One kind of entries. The annotations of its functions are the types of the API: what `show`
    and `show_all` return, and what `made` and `revised` take as `wanted`."""

    noun: str
    """As a person calls one of them."""
    where: Callable[[str], Where]
    """The place of what the API knows by an id. May raise RequestError (404)."""
    show_all: Callable[[Runtime], Struct]
    show: Callable[[Runtime, str], R]
    """One by its id. Raises RequestError (404)."""
    id_of: Callable[[N], str]
    """What the one to be made will be known by."""
    made: Callable[[N], Entry]
    revised: Callable[[Entry, C], Entry]
    renamed: Callable[[str, C], str] = lambda id, _change: id
    """The id that a change leaves it with."""


async def add(runtime: Runtime, resource: Resource[R, N, C], wanted: N, *, author: Author) -> R:
    """Declare a new one. Raises RequestError: 409 where there is one, and as `change_config`."""
    id = resource.id_of(wanted)
    await change_config(runtime, adding(resource.where(id), resource.made(wanted)), author=author)
    return resource.show(runtime, id)


async def change(
    runtime: Runtime, resource: Resource[R, N, C], id: str, wanted: C, *, author: Author
) -> R:
    """Raises RequestError: 404 where there is none, 409 where the new name is taken, and as
    `change_config`."""
    resource.show(runtime, id)  # what the API does not show, it does not change
    after = resource.renamed(id, wanted)
    edit = changing(
        resource.where(id),
        lambda entry: resource.revised(entry, wanted),
        new_name=resource.where(after).name,
    )
    await change_config(runtime, edit, author=author)
    return resource.show(runtime, after)


async def remove(runtime: Runtime, resource: Resource[R, N, C], id: str, *, author: Author) -> None:
    """Raises RequestError: 404 where there is none, and as `change_config`: 422 where something
    else still names it."""
    resource.show(runtime, id)
    await change_config(runtime, removing(resource.where(id)), author=author)


def adding(where: Where, entry: Entry) -> Change:
    """The change that declares an entry; RequestError (409) where there is one."""

    def change(wanted: dict[str, Any]) -> None:
        entries = _entries(wanted, where.section)
        if where.name in entries:
            raise _taken(where.section, where.name)
        _put(wanted, where.section, {**entries, where.name: entry})

    return change


def changing(where: Where, revise: Callable[[Entry], Entry], *, new_name: str) -> Change:
    """The change that makes of an entry what `revise` does, under `new_name`; RequestError: 404
    where there is none, 409 where the new name is taken."""
    section, name = where.section, where.name

    def change(wanted: dict[str, Any]) -> None:
        entries = _entries(wanted, section)
        if name not in entries:
            raise unknown(section, name)
        if new_name != name and new_name in entries:
            raise _taken(section, new_name)
        revised = {
            (new_name if key == name else key): (revise(entry or {}) if key == name else entry)
            for key, entry in entries.items()
        }
        _put(wanted, section, revised)

    return change


def removing(where: Where) -> Change:
    """The change that takes an entry away; RequestError (404) where there is none."""

    def change(wanted: dict[str, Any]) -> None:
        entries = _entries(wanted, where.section)
        if where.name not in entries:
            raise unknown(where.section, where.name)
        left = {key: entry for key, entry in entries.items() if key != where.name}
        _put(wanted, where.section, left)

    return change


def at_the_top(section: str) -> Callable[[str], Where]:
    """Entries that are known by their name in a section of the file's own."""
    return lambda id: Where((section,), id)


def unknown(section: Section, name: str) -> RequestError:
    """What is said of a name that the section does not have."""
    return RequestError("not_found", f'there is no "{name}" under `{".".join(section)}`')


def _taken(section: Section, name: str) -> RequestError:
    message = f'"{name}" is declared under `{".".join(section)}` already'
    return RequestError("conflict", message, param="name")


def _entries(wanted: Mapping[str, Any], section: Section) -> dict[str, Any]:
    """By name, in their order."""
    here: Any = wanted
    for name in section:
        here = here.get(name) or {}
    if section not in _LISTS:
        return cast("dict[str, Any]", here)
    return {str(entry.get("id")): entry for entry in cast("list[dict[str, Any]]", here or [])}


def _put(wanted: dict[str, Any], section: Section, entries: Mapping[str, Any]) -> None:
    """`entries` as the whole section, which goes with the last of them."""
    *above, last = section
    here = wanted
    for name in above:
        here[name] = here.get(name) or {}
        here = here[name]
    if not entries:
        here.pop(last, None)
    elif section in _LISTS:
        here[last] = [{"id": name} | dict(entry) | {"id": name} for name, entry in entries.items()]
    else:
        here[last] = dict(entries)
