"""A question to a data folder, as a server's process answers it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from omniroute.ledger.queries import freshen
from omniroute.ledger.sandbox import Limits, open_answer

QUICK: Final = Limits(seconds=5, patience_s=0.2)


class Asked(Struct, frozen=True):
    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool


def asked(data_dir: Path, sql: str, limits: Limits = QUICK) -> Asked:
    """With what waits in the spool. Raises RequestError."""
    freshen(data_dir, patience_s=limits.patience_s)
    with open_answer(data_dir, sql, limits) as answer:
        rows = tuple(answer.rows())
        return Asked(answer.columns, answer.types, rows, answer.truncated)
