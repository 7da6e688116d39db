"""How the kinds of field that `model` names are written in a file, one reader per kind."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from omniroute.base.units import parse_duration, parse_rate, parse_share, parse_size, parse_usd
from omniroute.config.diagnostics import Path
from omniroute.config.model import Ref
from omniroute.config.refs import RefSyntaxError, parse_refs

FROM_HEADER: Final = "from-header"
"""A cooldown as long as the provider's headers say."""
LEFT_OUT: Final = object()
"""In the place of a value that cannot be used; its field keeps its default."""

_REF_FORMS: Final = "${env:NAME}, ${env:NAME:-default} or ${file:/path}; $${ is a literal ${"


class NodePlace(Protocol):
    """Where a value stands."""

    @property
    def folder(self) -> str:
        """The absolute folder of the file that holds it."""
        ...

    def report(self, code: str, message: str, hint: str, at: Path = ()) -> None:
        """A finding at the value, or at what `at` leads to inside it."""
        ...


FieldReader = Callable[[Any, NodePlace], object]
"""A value that has passed the schema to the model's, or to LEFT_OUT when it is reported."""


def parse_expiry(text: str) -> datetime:
    """The UTC instant at which a key stops; ValueError when the date does not exist.

    A bare date is the last day on which the key works, so the instant is the next midnight.
    """
    if len(text) == len("2027-12-31"):
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        return day + timedelta(days=1)
    return datetime.fromisoformat(text).astimezone(UTC)


def read_text(text: str, place: NodePlace, at: Path = ()) -> str:
    """Text as it stands; a reference in it is reported, because nobody would look it up."""
    if "${env:" in text or "${file:" in text:
        hint = "they work in api_key, password hashes, header values and proxy URLs"
        place.report("OR302", "references are not looked up here", hint, at)
    return text


def _read_path(text: str, place: NodePlace) -> str:
    return posixpath.normpath(posixpath.join(place.folder, read_text(text, place)))


def _read_reference(text: str, place: NodePlace) -> object:
    try:
        parse_refs(text)
    except RefSyntaxError as bad:
        place.report("OR301", str(bad), f"write {_REF_FORMS}")
        return LEFT_OUT
    return Ref(text, place.folder)


def _read_expiry(text: str, place: NodePlace) -> object:
    try:
        return parse_expiry(text)
    except (ValueError, OverflowError):
        hint = "write a day such as 2027-12-31, or an instant such as 2027-12-31T18:00:00Z"
        place.report("OR303", f'"{text}" is not a date that exists', hint)
        return LEFT_OUT


def _read_scope(value: str | Mapping[str, Any], place: NodePlace) -> tuple[str, ...]:
    match value:
        case {"tag": {**tags}} if tags:
            ((name, tag),) = tags.items()
            return ("tag", name, read_text(tag, place, ("tag", name)))
        case {**scope} if scope and "tag" not in scope:
            ((kind, of),) = scope.items()
            return (kind, read_text(of, place, (kind,)))
        case _:
            return ("global",)


FIELD_READERS: Final[Mapping[str, FieldReader]] = {
    "duration": lambda text, _: parse_duration(text),
    "size": lambda text, _: parse_size(text),
    "usd": lambda amount, _: parse_usd(amount),
    "rate": lambda text, _: parse_rate(text),
    "share": lambda text, _: parse_share(text),
    "word": lambda word, _: word if isinstance(word, str) else str(int(word)),
    "key hash": lambda text, _: text.removeprefix("sha256:"),
    "expiry": _read_expiry,
    "path": _read_path,
    "reference": _read_reference,
    "cooldown": lambda text, _: None if text == FROM_HEADER else parse_duration(text),
    "state url": lambda text, place: None if text == "auto" else _read_reference(text, place),
    "scope": _read_scope,
}
