"""The statements of hostile.yaml, and two that a file cannot hold well."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

_FILE: Final[Any] = yaml.safe_load(Path(__file__).with_name("hostile.yaml").read_text())

REFUSED: Final[tuple[str, ...]] = (
    *_FILE["writes"],
    *_FILE["files"],
    *_FILE["program"],
    "SELECT \ud800",
)
"""To everybody, the folder's owner included."""
REFUSED_TO_CLIENTS: Final[tuple[str, ...]] = ("", *_FILE["clients"])
GREEDY: Final[tuple[str, ...]] = (*_FILE["greedy"], "SELECT " + "(" * 3000 + "1" + ")" * 3000)


def in_place(sql: str, folder: Path) -> str:
    return sql.replace("{dir}", str(folder))
