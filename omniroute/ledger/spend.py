"""What was spent since a moment, for budgets that begin again after a restart."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from omniroute.ledger.orders import SpentRow
from omniroute.ledger.paths import read_sql
from omniroute.ledger.queries import freshen, open_ledger

PATIENCE_S = 5.0


def read_spend(data_dir: Path, since: datetime) -> tuple[SpentRow, ...]:
    """Every priced request since then, the spool's included. Blocks. Raises LedgerError."""
    since = since.astimezone(UTC).replace(tzinfo=None)  # as the rows have it
    freshen(data_dir, patience_s=PATIENCE_S)
    with open_ledger(data_dir, patience_s=PATIENCE_S) as connection:
        rows = connection.execute(read_sql("spend.sql"), [since]).fetchall()
    return tuple(
        SpentRow(
            at=at.replace(tzinfo=UTC),
            key=key,
            tags=dict(tags or {}),
            provider=provider,
            model=model,
            cost_nanousd=cost,
        )
        for at, key, tags, provider, model, cost in rows
    )
