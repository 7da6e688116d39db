"""Reading the usage database: what waits in the spool first, then the file, read-only."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from omniroute.errors import LedgerError
from omniroute.ledger.database import open_patiently
from omniroute.ledger.drain import Drainer
from omniroute.ledger.paths import database_path, read_sql
from omniroute.ledger.spool import segments

COLUMNS_SQL: Final = read_sql("columns.sql")
"""The views with their columns, types and meanings."""


def freshen(data_dir: Path, *, patience_s: float) -> str | None:
    """Drain what waits, so that reading sees it; words for people when that was not possible."""
    if not segments(data_dir):
        return None
    try:
        result = Drainer(data_dir).drain_all(patience_s=patience_s)
    except LedgerError as exc:
        return f"the newest requests may be missing: {exc}"
    if result.outcome == "busy":
        return "the newest requests may be missing: another program has the database open"
    return None


@contextmanager
def open_ledger(data_dir: Path, *, patience_s: float) -> Generator[duckdb.DuckDBPyConnection]:
    """The database read-only, for its owner. Raises LedgerError when there is none yet."""
    path = database_path(data_dir)
    if not path.exists():
        raise LedgerError(f"no usage data in {data_dir}: no request has been served there yet")
    with open_patiently(path, read_only=True, patience_s=patience_s) as connection:
        yield connection
