"""`omniroute export`: files by day, and one SQLite file, with the rows that there are."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from omniroute.cli.main import cli
from omniroute.errors import UsageError
from omniroute.ledger.drain import Drainer
from omniroute.ledger.spool import Spool
from tests.ledger.ready import put_database
from tests.ledger.rows import row

NOW = datetime.now(UTC)
DAY = f"{NOW:%Y-%m-%d}"
BEFORE = f"{NOW - timedelta(days=2):%Y-%m-%d}"
FORMULA = '=HYPERLINK("http://example.org")'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = put_database(tmp_path_factory.mktemp("exported"))
    with Spool(folder) as spool:
        spool.append(row("a", time=NOW, requested_model=FORMULA, session="-1"))
        spool.append(row("b", time=NOW - timedelta(days=2), saved_nanousd=-5))
        spool.append(row("old", time=NOW - timedelta(days=90)))
    Drainer(folder).drain_once()
    return folder


def export(folder: Path, *args: str) -> list[str]:
    result = CliRunner().invoke(cli, ["export", "--data-dir", str(folder), *args])
    assert result.exception is None, result.exception
    return [Path(line).name for line in result.stdout.splitlines()]


def test_parquet_has_a_file_for_each_day(folder: Path, tmp_path: Path) -> None:
    to = tmp_path / "new" / "files"
    names = [f"{view}-{day}.parquet" for view in ("requests", "attempts") for day in (BEFORE, DAY)]
    assert export(folder, str(to)) == names
    assert sorted(path.name for path in to.iterdir()) == sorted(names)
    ids = duckdb.execute(f"SELECT request_id FROM '{to}/requests-*.parquet'")  # noqa: S608
    assert sorted(ids.fetchall()) == [("a",), ("b",)]
    (to / names[0]).write_text("half a file")
    assert export(folder, str(to)) == names
    assert (to / names[0]).read_bytes().startswith(b"PAR1")


def test_csv_holds_no_formula(folder: Path, tmp_path: Path) -> None:
    export(folder, str(tmp_path), "--format", "csv", "--since", "7d")
    with (tmp_path / f"requests-{DAY}.csv").open(newline="") as file:
        (found,) = csv.DictReader(file)
    assert (found["requested_model"], found["session"]) == (f"'{FORMULA}", "'-1")
    assert found["cost_usd"] == "0.004275"
    with (tmp_path / f"requests-{BEFORE}.csv").open(newline="") as file:
        (found,) = csv.DictReader(file)
    assert found["saved_nanousd"] == "-5"  # a number is none


def test_sqlite_has_the_views_as_tables(folder: Path, tmp_path: Path) -> None:
    to = tmp_path / "usage.sqlite"
    assert export(folder, str(to), "--since", "365d") == ["usage.sqlite"]
    with closing(sqlite3.connect(to)) as database:
        found = database.execute(
            "SELECT request_id, cost_usd, json_extract(tags, '$.team'), stream FROM requests"
        ).fetchall()
        assert sorted(found) == [(name, 0.004275, "platform", 0) for name in ("a", "b", "old")]
        assert database.execute("SELECT count(*) FROM attempts").fetchall() == [(3,)]
        assert database.execute("SELECT count(*) FROM events").fetchall() == [(0,)]
    assert list(tmp_path.iterdir()) == [to]


def test_wrong_use_is_explained(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for args in ((str(tmp_path / "file"),), (str(tmp_path), "--since", "once")):
        result = CliRunner().invoke(cli, ["export", "--data-dir", str(folder), *args])
        assert isinstance(result.exception, UsageError)
