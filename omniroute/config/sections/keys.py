"""The section `keys`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from omniroute.config.model import Key, Role
from omniroute.config.sections.governance import build_rate_limit
from omniroute.config.view import View

_PREFIX: Final = "sha256:"


def build_keys(root: View) -> Mapping[str, Key]:
    return {name: _build_key(name, view) for name, view in root.views("keys")}


def parse_expiry(text: str) -> datetime:
    """The UTC instant at which a key stops; ValueError when the date does not exist.

    A bare date is the last day on which the key works, so the instant is the next midnight.
    """
    if len(text) == len("2027-12-31"):
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        return day + timedelta(days=1)
    return datetime.fromisoformat(text).astimezone(UTC)


def _build_key(name: str, view: View) -> Key:
    roles = cast("tuple[Role, ...]", view.texts("roles", ("inference",)))
    return Key(
        id=name,
        hashes=tuple(text.removeprefix(_PREFIX) for text in view.texts("hash")),
        tags=view.text_map("tags"),
        models=view.texts("models"),
        expires=_expires(view),
        rate_limit=build_rate_limit(view.view("rate_limit")),
        roles=roles,
        disabled=view.boolean("disabled", default=False),
    )


def _expires(view: View) -> datetime | None:
    text = view.optional_text("expires")
    if text is None:
        return None
    try:
        return parse_expiry(text)
    except (ValueError, OverflowError):
        view.report(
            "OR303",
            view.value_mark("expires"),
            f'"{text}" is not a date that exists',
            key="expires",
            hint="write a day such as 2027-12-31, or an instant such as 2027-12-31T18:00:00Z",
        )
        return None
