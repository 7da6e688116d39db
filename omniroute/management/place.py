"""Where an entry of the configuration is declared."""

from __future__ import annotations

from typing import TypedDict

from msgspec import Struct

from omniroute.config.model import Mark


class Place(Struct, frozen=True, kw_only=True, rename="camel"):
    """Null where no file declares it."""

    file: str | None
    line: int | None


class PlaceFields(TypedDict):
    """Those of a `Place`, by their names."""

    file: str | None
    line: int | None


def place(mark: Mark | None) -> PlaceFields:
    """The fields of a `Place`."""
    if mark is None:
        return {"file": None, "line": None}
    return {"file": mark.file, "line": mark.line}
