from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from omniroute.cli.main import cli
from omniroute.errors import LedgerError, UsageError
from omniroute.ledger.drain import Drainer
from omniroute.ledger.paths import database_path
from omniroute.ledger.spool import Spool
from omniroute.worker.folder import hold_folder
from omniroute.worker.whereabouts import leave_note
from tests.ledger.hostile_sql import REFUSED, in_place
from tests.ledger.processes import database_held
from tests.ledger.ready import put_database
from tests.ledger.rows import row


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """A server's end of the ledger: two requests answered, nothing drained."""
    with Spool(put_database(tmp_path / "data")) as spool:
        spool.append(row("a"))
        spool.append(row("b", output=None, requested_model="x|y\x1b[2J\n"))
        yield spool


@pytest.fixture
def data_dir(tmp_path: Path, spool: Spool) -> Path:
    return tmp_path / "data"


@pytest.fixture(scope="module")
def drained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one request in its database, for all who can only read."""
    data_dir = put_database(tmp_path_factory.mktemp("drained"))
    with Spool(data_dir) as spool:
        spool.append(row("a"))
    Drainer(data_dir).drain_once()
    return data_dir


def sql(data_dir: Path, *args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["sql", "--data-dir", str(data_dir), *args], input=stdin)


def output_of(result: Result) -> str:
    assert result.exception is None, result.exception
    assert result.stderr == ""
    return result.stdout


QUERY = "SELECT request_id, requested_model, output_tokens, cost_usd FROM requests ORDER BY 1"


def test_a_request_that_was_just_answered_shows(data_dir: Path, spool: Spool) -> None:
    assert output_of(sql(data_dir, QUERY)) == (
        "request_id  requested_model  output_tokens  cost_usd\n"
        "a           smart                      300  0.004275\n"
        "b           x|y\\x1b[2J\\n              NULL  0.004275\n"
    )
    spool.append(row("c"))
    assert output_of(sql(data_dir, "SELECT count(*) AS n FROM requests")) == "n\n3\n"


def test_csv_reads_back(data_dir: Path) -> None:
    text = output_of(sql(data_dir, QUERY, "--format", "csv"))
    assert list(csv.DictReader(io.StringIO(text))) == [
        {
            "request_id": "a",
            "requested_model": "smart",
            "output_tokens": "300",
            "cost_usd": "0.004275",
        },
        {
            "request_id": "b",
            "requested_model": "x|y\x1b[2J\n",
            "output_tokens": "",
            "cost_usd": "0.004275",
        },
    ]


def test_json_keeps_types_nulls_and_nesting(data_dir: Path) -> None:
    query = (
        "SELECT time, tags, dropped, stream, output_tokens, cost_usd, "
        "170141183460469231731687303715884105727::HUGEINT AS huge, 'x'::BLOB AS blob, "
        "INTERVAL 90 SECONDS AS span FROM requests ORDER BY request_id DESC LIMIT 1"
    )
    assert json.loads(output_of(sql(data_dir, query, "--format", "json"))) == [
        {
            "time": "2026-11-24T12:00:00.250000Z",
            "tags": {"team": "platform"},
            "dropped": [],
            "stream": False,
            "output_tokens": None,
            "cost_usd": 0.004275,
            "huge": "170141183460469231731687303715884105727",
            "blob": "78",
            "span": 90.0,
        }
    ]
    nothing = sql(data_dir, "FROM requests WHERE false", "--format", "json")
    assert json.loads(output_of(nothing)) == []


def test_markdown_escapes_what_would_break_the_table(data_dir: Path) -> None:
    assert output_of(sql(data_dir, QUERY, "--format", "markdown")).splitlines() == [
        "| request_id | requested_model | output_tokens | cost_usd |",
        "|---|---|---:|---:|",
        "| a | smart | 300 | 0.004275 |",
        "| b | x\\|y\\\\x1b[2J\\\\n |  | 0.004275 |",
    ]


def test_parquet_goes_to_a_pipe_or_a_file(data_dir: Path, tmp_path: Path) -> None:
    piped, written = tmp_path / "piped.parquet", tmp_path / "written.parquet"
    piped.write_bytes(sql(data_dir, "FROM requests", "--format", "parquet").stdout_bytes)
    assert output_of(sql(data_dir, "FROM requests", "-o", str(written))) == ""
    for path in (piped, written):
        assert duckdb.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchall() == [
            (2,)
        ]


def test_the_files_ending_chooses_the_format(data_dir: Path, tmp_path: Path) -> None:
    for name, start in (("x.csv", "request_id,"), ("x.json", "[\n{"), ("x.md", "| request_id")):
        assert output_of(sql(data_dir, QUERY, "-o", str(tmp_path / name))) == ""
        assert (tmp_path / name).read_text().startswith(start)


def test_sql_comes_from_a_file_or_standard_input(data_dir: Path, tmp_path: Path) -> None:
    script = tmp_path / "report.sql"
    script.write_text("-- two statements, the last one answers\nSELECT 1;\nSELECT 2 AS n;\n")
    assert output_of(sql(data_dir, "-f", str(script))) == "n\n2\n"
    assert output_of(sql(data_dir, "-f", "-", stdin="SELECT 3 AS n")) == "n\n3\n"
    assert output_of(sql(data_dir, stdin="SELECT 4 AS n")) == "n\n4\n"


def test_columns_explain_themselves(data_dir: Path) -> None:
    text = output_of(sql(data_dir, "--columns"))
    assert "requests     cost_usd " in text
    assert "Milliseconds" in text


@pytest.mark.parametrize("statement", REFUSED)
def test_what_does_more_than_read_is_refused(drained: Path, statement: str) -> None:
    database = database_path(drained).read_bytes()
    before = sorted(drained.rglob("*"))
    result = sql(drained, in_place(statement, drained), "--format", "csv")
    assert isinstance(result.exception, LedgerError)
    assert result.stdout == ""
    assert sorted(drained.rglob("*")) == before
    assert database_path(drained).read_bytes() == database


def test_parquet_opens_no_door_to_files(data_dir: Path, tmp_path: Path) -> None:
    query = "SELECT * FROM read_text('/etc/passwd')"
    error = sql(data_dir, query, "-o", str(tmp_path / "x.parquet")).exception
    assert isinstance(error, LedgerError)
    assert "disabled by configuration" in str(error)
    assert not (tmp_path / "x.parquet").exists()


def test_a_pivot_and_an_explanation_only_read(data_dir: Path) -> None:
    pivot = "PIVOT requests ON key USING count(*) GROUP BY model"
    assert output_of(sql(data_dir, pivot, "--format", "csv")) == "model,ci\ngpt-5,2\n"
    assert "requests" in output_of(sql(data_dir, "EXPLAIN FROM requests", "--format", "csv"))


def test_an_ending_is_known_in_capitals_and_a_named_format_needs_none(
    data_dir: Path, tmp_path: Path
) -> None:
    for args in (("-o", str(tmp_path / "X.CSV")), ("-o", str(tmp_path / "x"), "--format", "csv")):
        assert output_of(sql(data_dir, QUERY, *args)) == ""
        assert Path(args[1]).read_text().startswith("request_id,")


def test_nothing_can_be_changed(data_dir: Path) -> None:
    for statement in ("DELETE FROM raw.requests", "DROP VIEW requests", "CREATE TABLE t (a INT)"):
        assert isinstance(sql(data_dir, statement).exception, LedgerError)
    assert output_of(sql(data_dir, "SELECT count(*) AS n FROM requests")) == "n\n2\n"


def test_beside_a_reader_the_newest_may_be_missing_and_that_is_said(
    data_dir: Path, spool: Spool
) -> None:
    Drainer(data_dir).drain_once()
    with database_held(database_path(data_dir)):
        spool.append(row("c"))
        result = sql(data_dir, "SELECT count(*) AS n FROM requests", "--wait", "0.2")
    assert (result.stdout, result.exit_code) == ("n\n2\n", 0)
    assert "newest requests may be missing" in result.stderr


def test_while_a_writer_holds_the_file_it_is_waited_for(
    data_dir: Path,
) -> None:
    Drainer(data_dir).drain_once()
    with database_held(database_path(data_dir), how="write"):
        assert "open in another process" in str(
            sql(data_dir, "SELECT 1", "--wait", "0.2").exception
        )
    assert output_of(sql(data_dir, "SELECT 1 AS n")) == "n\n1\n"


def test_the_data_dir_is_the_configurations(data_dir: Path, tmp_path: Path) -> None:
    config = tmp_path / "omniroute.yaml"
    config.write_text("version: 1\nserver: {data_dir: data}\nproviders: {echo: {preset: echo}}\n")
    result = CliRunner().invoke(
        cli, ["sql", "-c", str(config), "SELECT count(*) AS n FROM requests"]
    )
    assert output_of(result) == "n\n2\n"


def test_the_running_servers_folder_counts_until_it_restarts(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    config = tmp_path / "omniroute.yaml"
    config.write_text("version: 1\nserver: {data_dir: other}\nproviders: {echo: {preset: echo}}\n")
    lock = hold_folder(data_dir)
    leave_note([str(config)], data_dir)
    ask = ["sql", "-c", str(config), "SELECT count(*) AS n FROM requests"]
    assert output_of(CliRunner().invoke(cli, ask)) == "n\n2\n"
    os.close(lock)  # the server has ended
    assert f"no usage data in {tmp_path}/other" in str(CliRunner().invoke(cli, ask).exception)


def test_days_are_utc_wherever_the_command_runs(
    drained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "SELECT current_date = CAST(now() AT TIME ZONE 'UTC' AS DATE) AS same"
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):  # one of them is in another day
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert output_of(sql(drained, query)) == "same\ntrue\n"
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("SELECT 1", "-f", "x.sql"), "give one query"),
        (("-f", "/no/such/file.sql"), "cannot read /no/such/file.sql: No such file"),
        (("",), "there is no query"),
        (("SELECT 1", "-o", "/no/such/folder/x.csv"), "cannot write /no/such/folder/x.csv"),
        (("SELECT 1", "-o", "/no/such/folder/x.parquet"), "cannot write /no/such/folder/x.parquet"),
        (("SELECT 1", "-o", "x.xlsx"), "x.xlsx: no format ends like that (.csv, .json, "),
        (("SELECT 1", "-o", "report"), "report: no format ends like that"),
    ],
)
def test_wrong_use_is_explained(data_dir: Path, args: tuple[str, ...], message: str) -> None:
    error = sql(data_dir, *args).exception
    assert isinstance(error, UsageError)
    assert message in str(error)


def run(*args: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "omniroute", "sql", *args],
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


def test_as_a_process_it_says_where_the_query_is_wrong(data_dir: Path) -> None:
    done = run("--data-dir", str(data_dir), "SELECT no_such FROM requests")
    assert (done.returncode, done.stdout) == (1, "")
    assert 'error: Binder Error: Referenced column "no_such" not found' in done.stderr
    assert "LINE 1: SELECT no_such FROM requests\n               ^" in done.stderr


def test_without_data_it_says_why(tmp_path: Path) -> None:
    done = run("--data-dir", str(tmp_path / "none"), "FROM requests")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: no usage data in {tmp_path}/none: no request")
    assert not (tmp_path / "none").exists()
