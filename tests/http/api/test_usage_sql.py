"""SQL of clients over HTTP: what it may ask, what it may take, and that nobody else notices."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
import pytest
from click.testing import CliRunner, Result

from omniroute.cli.main import cli
from omniroute.errors import LedgerError, UsageError
from tests.ledger.hostile_sql import GREEDY, REFUSED, REFUSED_TO_CLIENTS, in_place
from tests.running import Served, served

CONFIG: Final = f"""
version: 1
providers: {{echo: {{preset: echo}}}}
auth: {{require_api_key: false}}
keys:
  reader: {{hash: "sha256:{hashlib.sha256(b"omr_reader").hexdigest()}", roles: [viewer]}}
  app: {{hash: "sha256:{hashlib.sha256(b"omr_app").hexdigest()}"}}
"""
URL: Final = "/api/usage/sql"
COUNT: Final = "SELECT count(*) AS n FROM requests"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("asked")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Served]:
    with served(folder, CONFIG) as server:
        yield server
        assert server.process.poll() is None
        assert "Traceback" not in server.log.read_text()


@pytest.fixture(scope="module")
def client(server: Served) -> Iterator[httpx.Client]:
    """A viewer's, beside a gateway that has served three requests."""
    headers = {"authorization": "Bearer omr_reader"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=30) as client:
        for _ in range(3):
            ask = {"model": "echo/echo", "messages": [{"role": "user", "content": "hi"}]}
            app = {"authorization": "Bearer omr_app"}
            client.post("/v1/chat/completions", json=ask, headers=app).raise_for_status()
        yield client


def ask(client: httpx.Client, sql: str, **more: Any) -> httpx.Response:
    return client.post(URL, json={"sql": sql, **more})


def test_an_answer_has_its_columns_and_what_was_just_served(client: httpx.Client) -> None:
    reply = ask(
        client, "SELECT status, count(*) AS n, sum(cost_usd) AS usd FROM requests GROUP BY 1"
    )
    answer = reply.json()
    assert answer.pop("elapsedMs") > 0
    assert answer == {
        "columns": [
            {"name": "status", "type": "INTEGER"},
            {"name": "n", "type": "BIGINT"},
            {"name": "usd", "type": "DECIMAL(38,9)"},
        ],
        "rows": [[200, 3, 0.0]],
        "rowCount": 1,
        "truncated": False,
    }


@pytest.mark.parametrize(
    ("query", "accept"),
    [("", "text/csv"), ("", "application/json;q=0.5, text/*"), ("?format=csv", "application/json")],
)
def test_csv_is_asked_for_by_header_or_parameter(
    client: httpx.Client, query: str, accept: str
) -> None:
    body = {"sql": "SELECT status, provider FROM requests", "maxRows": 2}
    reply = client.post(URL + query, json=body, headers={"accept": accept})
    assert reply.headers["content-type"].startswith("text/csv")
    assert reply.headers["x-omniroute-rows"] == "2"
    assert reply.headers["x-omniroute-truncated"] == "true"
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert rows == [{"status": "200", "provider": "echo"}] * 2


def test_rows_beyond_the_limit_are_never_computed(client: httpx.Client) -> None:
    answer = ask(client, "FROM range(1000000000000)", maxRows=5).json()
    assert answer["rows"] == [[n] for n in range(5)]
    assert answer["truncated"] is True


def test_an_answer_is_bounded_in_bytes(client: httpx.Client) -> None:
    answer = ask(client, "SELECT repeat('x', 50000) FROM range(1000)").json()
    assert answer["truncated"] is True
    assert 300 < answer["rowCount"] < 350


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "sql"),
        ({"sql": 1}, "sql"),
        ({"sql": "SELECT 1", "maxRows": 0}, "maxRows"),
        ({"sql": "SELECT 1", "maxRows": 10_001}, "maxRows"),
        ({"sql": "SELECT 1", "timeoutMs": 60_000}, "timeoutMs"),
        ({"sql": "SELECT 1", "dataDir": "/"}, "dataDir"),
    ],
)
def test_a_wrong_body_names_its_field(
    client: httpx.Client, body: dict[str, Any], param: str
) -> None:
    reply = client.post(URL, json=body)
    assert reply.status_code == 400
    assert param in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("key", "status"), [(None, 401), ("omr_app", 403), ("omr_none", 401)], ids=str
)
def test_only_a_viewer_may_ask(server: Served, key: str | None, status: int) -> None:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    reply = httpx.post(server.url + URL, json={"sql": "SELECT 1"}, headers=headers)
    assert reply.status_code == status


@pytest.mark.parametrize("sql", [*REFUSED, *REFUSED_TO_CLIENTS])
def test_what_is_no_question_is_refused(client: httpx.Client, folder: Path, sql: str) -> None:
    body = '{"sql": "SELECT \\ud800"}' if "\ud800" in sql else None
    if body is not None:
        reply = client.post(URL, content=body, headers={"content-type": "application/json"})
    else:
        reply = ask(client, in_place(sql, folder))
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["code"] == "invalid_request"
    for secret in (str(folder), str(Path.home()), "root:"):
        assert secret not in reply.text.replace(in_place(sql, folder), "")


@pytest.mark.parametrize("sql", GREEDY)
def test_what_takes_too_much_is_ended(client: httpx.Client, sql: str) -> None:
    started = time.monotonic()
    reply = ask(client, sql, timeoutMs=100, maxRows=100)
    if reply.status_code == 200:
        assert reply.json()["truncated"] is True
    else:
        assert reply.status_code in (400, 504), reply.text
    assert time.monotonic() - started < 8


def test_none_of_them_has_changed_anything(client: httpx.Client, folder: Path) -> None:
    for sql in (*REFUSED[:40:5], *GREEDY[:3]):
        ask(client, in_place(sql, folder), timeoutMs=50)
    assert ask(client, COUNT).json()["rows"] == [[3]]
    assert {path.name for path in folder.iterdir()} == {
        "omniroute.yaml", "data", *(path.name for path in folder.glob("serve-*.log"))
    }  # fmt: skip


def test_others_do_not_wait_for_it(client: httpx.Client, server: Served) -> None:
    def slow() -> float:
        started = time.monotonic()
        ask(client, GREEDY[0], timeoutMs=1500)
        return time.monotonic() - started

    waits: list[float] = []
    with ThreadPoolExecutor(1) as pool, httpx.Client(base_url=server.url) as other:
        running = pool.submit(slow)
        while not running.done():
            started = time.monotonic()
            other.get("/healthz").raise_for_status()
            waits.append(time.monotonic() - started)
    assert running.result() >= 1.5
    assert max(waits) < 1.0
    assert len(waits) > 20


def test_a_process_that_was_killed_is_replaced(client: httpx.Client, server: Served) -> None:
    ask(client, COUNT)
    cells = [
        child
        for child in psutil.Process(server.process.pid).children()
        if "omniroute.ledger.cell" in child.cmdline()
    ]
    assert len(cells) == 1
    assert not {"HOME", "SSL_CERT_FILE"} & set(cells[0].environ())
    cells[0].kill()
    assert ask(client, COUNT).status_code in (200, 400)  # it may still seem to live
    assert ask(client, COUNT).json()["rows"] == [[3]]


def asked_by_command(
    server: Served, *arguments: str, monkeypatch: pytest.MonkeyPatch, key: str | None = "omr_reader"
) -> Result:
    monkeypatch.delenv("OMNIROUTE_API_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("OMNIROUTE_API_KEY", key)
    return CliRunner().invoke(cli, ["sql", "--url", server.url, *arguments])


@pytest.mark.usefixtures("client")
def test_the_command_asks_a_server_from_anywhere(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("omr_reader\n")
    sql = "SELECT 'a,b' AS text, 0.1::DECIMAL(10, 9) AS usd, 1/3 AS ms, NULL AS none, 7 AS n"
    result = asked_by_command(server, sql, "--format", "csv", monkeypatch=monkeypatch)
    assert result.output == 'text,usd,ms,none,n\n"a,b",0.1,0.3333333333333333,,7\n'
    result = asked_by_command(
        server, sql, "--key", f"file:{tmp_path}/key", monkeypatch=monkeypatch, key=None
    )
    assert result.output.splitlines()[1].split() == ["a,b", "0.1", "0.333", "NULL", "7"]
    result = asked_by_command(
        server, COUNT, "-o", f"{tmp_path}/n.json", "--key", "env:OMNIROUTE_API_KEY",
        monkeypatch=monkeypatch,
    )  # fmt: skip
    assert json.loads((tmp_path / "n.json").read_text())[0]["n"] >= 3
    result = asked_by_command(server, "--columns", "--format", "csv", monkeypatch=monkeypatch)
    assert "requests,cost_usd," in result.output
    result = asked_by_command(server, "FROM range(20000)", monkeypatch=monkeypatch)
    assert result.stderr == "note: only the first 10000 rows\n"


@pytest.mark.parametrize(
    ("arguments", "key", "said"),
    [
        pytest.param(["DROP VIEW requests"], "omr_reader", "answered 400: refused", id="a write"),
        pytest.param([COUNT], "omr_wrong", "answered 401: ", id="another key"),
        pytest.param([COUNT], "omr_app", "answered 403: ", id="no viewer"),
        pytest.param([COUNT, "--key", "omr_reader"], None, "never itself", id="a key in the open"),
        pytest.param([COUNT, "--key", "env:NOT_THERE"], None, "no variable", id="no variable"),
        pytest.param([COUNT, "--key", "file:/not/there"], None, "cannot read", id="no file"),
        pytest.param([COUNT, "--format", "parquet"], None, "where the data is", id="parquet"),
        pytest.param([COUNT, "--url", "http://127.0.0.1:1"], None, "cannot ask", id="nobody"),
    ],
)
def test_what_a_server_does_not_answer_is_said(
    server: Served,
    arguments: list[str],
    key: str | None,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = asked_by_command(server, *arguments, monkeypatch=monkeypatch, key=key)
    assert isinstance(result.exception, LedgerError | UsageError), result.exception
    assert said in str(result.exception)
    assert "omr_" not in str(result.exception)
