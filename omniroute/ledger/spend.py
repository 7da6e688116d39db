"""What was spent since a moment, for budgets that begin again after a restart."""

from __future__ import annotations

from datetime import datetime
from importlib.resources import files
from pathlib import Path

from msgspec import Struct

from omniroute.ledger.queries import freshen, open_ledger

PATIENCE_S = 5.0


class SpentRow(Struct, frozen=True, kw_only=True):
    """One answered request that had a price."""

    at: datetime
    key: str | None
    tags: dict[str, str]
    provider: str
    model: str
    cost_nanousd: int


def read_spend(data_dir: Path, since: datetime) -> tuple[SpentRow, ...]:
    """Every priced request since then, the spool's included. Blocks. Raises LedgerError."""
    freshen(data_dir, patience_s=PATIENCE_S)
    query = (files("omniroute.ledger") / "sql" / "spend.sql").read_text()
    with open_ledger(data_dir, patience_s=PATIENCE_S) as connection:
        rows = connection.execute(query, [since]).fetchall()
    return tuple(
        SpentRow(
            at=at, key=key, tags=dict(tags or {}), provider=provider, model=model, cost_nanousd=cost
        )
        for at, key, tags, provider, model, cost in rows
    )
