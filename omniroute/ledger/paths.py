"""Where the ledger's database and its SQL stand, and how to wait for it.

Knows no DuckDB: a server asks processes of its own (`reader`, `writer`) and is spared its memory.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

SQL: Final = files("omniroute.ledger") / "sql"
RETRY_S: Final = 0.05
"""How often somebody who waits for the database tries again."""


def database_path(data_dir: Path) -> Path:
    return data_dir / "usage.duckdb"


def read_sql(name: str) -> str:
    return (SQL / name).read_text(encoding="utf-8")
