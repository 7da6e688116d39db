"""Where the files that ship with the product are: beside the package, or inside the wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

_PACKAGE: Final = Path(__file__).resolve().parent.parent

Kind = Literal["schemas", "translators"]


def data_dir(kind: Kind) -> Path:
    """The folder of one kind of shipped file: in a checkout the top-level one, else the wheel's."""
    shipped = _PACKAGE / "_data" / kind
    return shipped if shipped.is_dir() else _PACKAGE.parent / kind


def read_data(kind: Kind, name: str) -> bytes:
    """The bytes of one shipped file."""
    return (data_dir(kind) / name).read_bytes()
