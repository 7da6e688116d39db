"""Files of every layout that there was: they are migrated, answer, and lose nothing.

`layouts/` has a file as SQL for each step of the schema, as the version with that step wrote it.
A new step adds the next one: `pytest --update-golden tests/ledger/test_migrations.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from omniroute.ledger.database import migrate, open_database
from omniroute.ledger.drain import Drainer
from omniroute.ledger.paths import database_path
from omniroute.ledger.queries import COLUMNS_SQL
from omniroute.ledger.spool import Spool
from tests.ledger.layouts import LAYOUTS, record, steps
from tests.ledger.rows import row


def test_every_layout_is_recorded(tmp_path: Path, *, update_golden: bool) -> None:
    newest = steps()[-1]
    if update_golden and newest not in LAYOUTS:
        with Spool(tmp_path) as spool:
            spool.append(row("old"))
        Drainer(tmp_path).drain_once()
        record(newest, database_path(tmp_path))
    else:
        assert list(LAYOUTS) == steps()


@pytest.fixture(params=list(LAYOUTS))
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A data folder as a version with that layout left it."""
    with duckdb.connect(str(database_path(tmp_path))) as connection:
        connection.execute(LAYOUTS[request.param].read_text())
    return tmp_path


def all_rows(connection: duckdb.DuckDBPyConnection, view: str) -> list[dict[str, Any]]:
    cursor = connection.execute(f"FROM {view}")
    names = [str(column[0]) for column in cursor.description or ()]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def contents(data_dir: Path) -> dict[str, list[dict[str, Any]]]:
    """Every row of every view."""
    with open_database(database_path(data_dir), read_only=True) as connection:
        views = {view for view, *_ in connection.execute(COLUMNS_SQL).fetchall()}
        return {view: all_rows(connection, view) for view in sorted(views)}


def test_no_view_column_or_value_is_lost(old: Path) -> None:
    before = contents(old)
    assert before["requests"]
    assert before["attempts"]
    with open_database(database_path(old), read_only=False) as connection:
        migrate(connection)
    after = contents(old)
    for view, rows in before.items():
        kept = [{name: value[name] for name in rows[0]} for value in after[view]] if rows else []
        assert kept == rows, view


def test_new_rows_stand_beside_old_ones(old: Path) -> None:
    with Spool(old) as spool:
        spool.append(row("new"))
    assert Drainer(old).drain_once().rows == 1
    assert {found["request_id"] for found in contents(old)["requests"]} == {"old", "new"}


def test_a_migrated_file_is_as_a_new_one(old: Path, tmp_path: Path) -> None:
    def columns(path: Path) -> list[tuple[Any, ...]]:
        with open_database(path, read_only=False) as connection:
            migrate(connection)
            return connection.execute(
                "SELECT schema_name, table_name, column_name, data_type, is_nullable, comment "
                "FROM duckdb_columns() WHERE NOT internal AND database_name = current_database() "
                "ORDER BY ALL"
            ).fetchall()

    assert columns(database_path(old)) == columns(tmp_path / "fresh.duckdb")
