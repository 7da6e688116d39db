from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from omniroute.errors import LedgerBusyError
from omniroute.ledger.database import open_database
from omniroute.ledger.engine import writing
from tests.ledger.processes import run_python

COUNT = """
import sys, duckdb
try:
    with duckdb.connect(sys.argv[1], read_only=True) as connection:
        print(connection.execute("SELECT count(*) FROM t").fetchall())
except duckdb.IOException:
    print("locked")
"""


def test_what_was_committed_is_in_the_file_when_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "it's here.duckdb"
    for n in range(3):
        with writing(path) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS t (n INTEGER)")
            connection.execute("INSERT INTO t VALUES (?)", [n])
        assert [file.name for file in tmp_path.iterdir()] == [path.name]
    with duckdb.connect(str(path), read_only=True) as other:
        assert other.execute("SELECT n FROM t ORDER BY n").fetchall() == [(0,), (1,), (2,)]


def test_an_error_leaves_no_file_open_and_nothing_half_written(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    with writing(path) as connection:
        connection.execute("CREATE TABLE t (n INTEGER)")
    with pytest.raises(duckdb.ConversionException), writing(path) as connection:
        connection.execute("BEGIN; INSERT INTO t VALUES (1); INSERT INTO t VALUES ('one')")
    with writing(path) as connection:
        assert connection.execute("SELECT * FROM t").fetchall() == []


def test_what_is_no_database_is_in_nobody_s_way(tmp_path: Path) -> None:
    (tmp_path / "a.duckdb").write_text("no database")
    with pytest.raises(duckdb.IOException), writing(tmp_path / "a.duckdb"):
        pass
    with writing(tmp_path / "b.duckdb") as connection:
        connection.execute("CREATE TABLE t (n INTEGER)")


def test_two_files_are_written_at_a_time_and_know_nothing_of_each_other(tmp_path: Path) -> None:
    with writing(tmp_path / "a.duckdb") as one, writing(tmp_path / "b.duckdb") as two:
        one.execute("CREATE TABLE t (n INTEGER)")
        one.execute("CREATE TEMP TABLE batch (n INTEGER)")
        assert two.execute("SHOW ALL TABLES").fetchall() == []
    with writing(tmp_path / "b.duckdb") as connection:
        assert connection.execute("SHOW ALL TABLES").fetchall() == []


@pytest.mark.parametrize("read_only", [True, False])
def test_who_asks_in_the_same_process_does_not_unlock_the_file(
    tmp_path: Path, read_only: bool
) -> None:
    path = tmp_path / "a.duckdb"
    with open_database(path, read_only=False) as connection:
        connection.execute("CREATE TABLE t (n INTEGER)")
        with (
            pytest.raises(LedgerBusyError, match="in this process"),
            open_database(tmp_path / "." / path.name, read_only=read_only),
        ):
            pass
        assert run_python(COUNT, path).strip() == "locked"
    assert run_python(COUNT, path).strip() == "[(0,)]"
