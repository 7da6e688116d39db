"""How many messages and tools a client's body may have, how long their names may be."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from msgspec import Struct

from omniroute.config.model import RequestLimits
from omniroute.errors import TranslationError
from omniroute.translation.format import Format
from omniroute.translation.pair import run
from omniroute.translation.program import Converter
from omniroute.translation.shape import is_array

_SHOWN = 100
"""Characters of a client's own name that it is told."""


class Bounded(Struct, frozen=True):
    """A place in a body: the expression that leads there, and the same compiled."""

    field: str
    find: Converter


Bounds = Mapping[str, tuple[Bounded, ...]]
"""Places by what stands there: `messages`, `tools`, `names`."""


def bounds_of(format: Format) -> Bounds:
    """The rows of the table's `client.bounds`."""
    rows = format.table.mapping("client", "bounds")
    return {
        name: tuple(
            Bounded(field, format.functions[f"client.bounds.{name}.{number}"])
            for number, field in enumerate(fields)
        )
        for name, fields in rows.items()
    }


def check_bounds(
    bounds: Bounds, body: dict[str, Any], limits: RequestLimits, *, size_bytes: int
) -> None:
    """Raises TranslationError, naming the field, for what is beyond one of the limits.

    `size_bytes` is the body's as JSON: most bodies are too short to break a limit, and are not
    looked into. An item takes two bytes at least, and no text is longer than what tells it.
    """
    if len(body) > limits.fields:
        beyond = next(islice(body, limits.fields, None))[:_SHOWN]
        message = _many("the body", len(body), "fields", limits.fields, "fields")
        raise TranslationError(message, param=beyond)
    for name, most in (("messages", limits.messages), ("tools", limits.tools)):
        if size_bytes < 2 * most:
            continue
        for place in bounds.get(name, ()):
            found = run(place.find, body, {"dropped": {}})
            if is_array(found) and len(found) > most:
                message = _many(place.field, len(found), "items", most, name)
                raise TranslationError(message, param=place.field)
    if size_bytes <= limits.name_bytes:
        return
    for place in bounds.get("names", ()):
        check_name(run(place.find, body, {"dropped": {}}), place.field, limits)


def check_name(names: Any, field: str, limits: RequestLimits) -> None:
    """Raises TranslationError for a name, or one of a list of names, that is too long."""
    most = limits.name_bytes
    for name in names if is_array(names) else (names,):
        if type(name) is str and _is_longer(name, most):
            message = f"{field} is longer than {most} bytes (server.limits.name)"
            raise TranslationError(message, param=field)


def _is_longer(name: str, most: int) -> bool:
    """In UTF-8, which takes one to four bytes a character: few names have to be encoded."""
    if len(name) > most:
        return True
    return len(name) * 4 > most and len(name.encode(errors="replace")) > most


def _many(what: str, count: int, items: str, most: int, limit: str) -> str:
    return f"{what} has {count} {items}; at most {most} are taken (server.limits.{limit})"
