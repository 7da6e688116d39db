"""Entries of a section, made, changed and taken away as edits of the files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from omniroute.errors import RequestError
from omniroute.management.writeback import Author, change_config
from omniroute.worker.runtime import Runtime

Entry = Mapping[str, Any]
"""As the file has it."""


async def add_entry(
    runtime: Runtime, section: str, name: str, entry: object, *, author: Author
) -> None:
    """Declare a new entry. Raises RequestError: 409 where there is one, and as `change_config`."""

    def change(wanted: dict[str, Any]) -> None:
        entries = _entries(wanted, section)
        if name in entries:
            message = f'"{name}" is declared under `{section}` already'
            raise RequestError("conflict", message, param="name")
        wanted[section] = {**entries, name: entry}

    await change_config(runtime, change, author=author)


async def change_entry(
    runtime: Runtime,
    section: str,
    name: str,
    revise: Callable[[Entry], Entry],
    *,
    new_name: str | None = None,
    author: Author,
) -> None:
    """Make of an entry what `revise` makes of it, under `new_name` where that is given.

    Raises RequestError: 404 where there is none, 409 where the new name is taken, and as
    `change_config`.
    """

    def change(wanted: dict[str, Any]) -> None:
        entries = _entries(wanted, section)
        if name not in entries:
            raise unknown(section, name)
        after = new_name or name
        if after != name and after in entries:
            message = f'"{after}" is declared under `{section}` already'
            raise RequestError("conflict", message, param="name")
        wanted[section] = {
            (after if key == name else key): (revise(entry or {}) if key == name else entry)
            for key, entry in entries.items()
        }

    await change_config(runtime, change, author=author)


async def remove_entry(runtime: Runtime, section: str, name: str, *, author: Author) -> None:
    """Take an entry away. Raises RequestError: 404 where there is none, and as `change_config`:
    422 where something else still names it."""

    def change(wanted: dict[str, Any]) -> None:
        entries = _entries(wanted, section)
        if name not in entries:
            raise unknown(section, name)
        wanted[section] = {key: entry for key, entry in entries.items() if key != name}
        if not wanted[section]:
            del wanted[section]

    await change_config(runtime, change, author=author)


def unknown(section: str, name: str) -> RequestError:
    """What is said of a name that the section does not have."""
    return RequestError("not_found", f'there is no "{name}" under `{section}`')


def _entries(wanted: Mapping[str, Any], section: str) -> dict[str, Any]:
    return cast("dict[str, Any]", wanted.get(section) or {})
