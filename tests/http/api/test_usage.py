"""Usage over HTTP: sums, pages with cursors, filters, and latencies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import pytest

from omniroute.ledger.spool import Spool
from tests.ledger.rows import row
from tests.running import served

CONFIG: Final = """
version: 1
providers:
  echo: {preset: echo}
  openai: {preset: openai, connections: {main: {api_key: "${env:NO_KEY:-lab-credential}"}}}
  lab:
    format: openai-chat
    base_url: http://127.0.0.1:9/v1
    allow_private_network: true
    connections: {main: {}}
    models: {m: {price: {input: 0.2, output: 0.6}}, unknown: {}}
auth: {dashboard: {require_login: false}}
"""
NOW: Final = datetime.now(UTC).replace(microsecond=250_000)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """In front of seven requests of an earlier server."""
    folder = tmp_path_factory.mktemp("usage")
    with Spool(folder / "data") as spool:
        for n in range(5):
            at = NOW - timedelta(minutes=n // 2)  # two of them at the same time
            spool.append(row(f"r{n}", time=at, total_ms=100.0 * (n + 1)))
        refused: dict[str, Any] = {"status": 403, "error_class": "permission", "cost_nanousd": None}
        rule = "policy:x (omniroute.yaml:1:2)"
        spool.append(row("no", time=NOW, key="it's", decided_by=rule, **refused))
        spool.append(row("old", time=NOW - timedelta(days=3), provider="lab", key=None))
    with (
        served(folder, CONFIG) as server,
        httpx.Client(base_url=server.url, timeout=30) as client,
    ):
        yield client


def got(client: httpx.Client, path: str, **query: str | int) -> dict[str, Any]:
    reply = client.get(path, params=query)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_history_adds_up(client: httpx.Client) -> None:
    told = got(client, "/api/usage/history")
    assert (told["totalRequests"], told["totalPromptTokens"]) == (7, 8400)
    assert told["totalCost"] == 0.02565
    assert {name: one["requests"] for name, one in told["byProvider"].items()} == {
        "openai": 6,
        "lab": 1,
    }
    assert set(told["byModel"]) == {"openai/gpt-5", "lab/gpt-5"}
    assert set(told["byAccount"]) == {"openai/main", "lab/main"}
    assert told["byApiKey"]["it's"] == {
        "requests": 1,
        "errors": 1,
        "promptTokens": 1200,
        "completionTokens": 300,
        "cost": 0,
        "saved": 0,
        "unpriced": 0,
        "lastUsed": NOW.isoformat().replace("+00:00", "Z"),
    }
    assert told["byApiKey"][""]["requests"] == 1


def test_a_connection_has_its_own(client: httpx.Client) -> None:
    assert got(client, "/api/usage/lab/main")["totalRequests"] == 1
    assert got(client, "/api/usage/echo/default")["totalRequests"] == 0
    assert client.get("/api/usage/lab/none").status_code == 404


@pytest.mark.parametrize("path", ["/api/usage/logs", "/api/usage/request-logs"])
def test_pages_hold_each_request_once(client: httpx.Client, path: str) -> None:
    seen: list[str] = []
    query: dict[str, str | int] = {"limit": 2}
    while True:
        page = got(client, path, **query)
        seen += (entry["id"] for entry in page["logs"])
        assert page["totals"]["requests"] == 7
        if page["nextCursor"] is None:
            break
        query["cursor"] = page["nextCursor"]
    assert len(seen) == 7
    assert [set(seen[:3]), set(seen[3:5]), seen[5:]] == [
        {"r0", "r1", "no"},
        {"r2", "r3"},
        ["r4", "old"],
    ]


def test_an_entry_tells_what_happened(client: httpx.Client) -> None:
    (entry,) = got(client, "/api/usage/logs", status=403)["logs"]
    assert (entry["key"], entry["rule"], entry["errorClass"]) == ("it's", "policy:x", "permission")
    assert (entry["in"], entry["out"], entry["cacheRead"], entry["cost"]) == (1200, 300, 200, None)
    assert (entry["connectionId"], entry["duration"]) == ("openai/main", 812.5)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"key": "it's"}, {"no"}),
        ({"notKey": "ci"}, {"no", "old"}),
        ({"provider": "lab"}, {"old"}),
        ({"notProvider": "openai"}, {"old"}),
        ({"status": "4xx"}, {"no"}),
        ({"notStatus": "200"}, {"no"}),
        ({"model": "lab/gpt-5"}, {"old"}),
        ({"model": "smart", "provider": "lab"}, {"old"}),
        ({"notModel": "gpt-5"}, set[str]()),
        ({"to": (NOW - timedelta(days=1)).isoformat()}, {"old"}),
        ({"from": NOW.isoformat(), "status": "2xx"}, {"r0", "r1"}),
        ({"key": "' OR true --"}, set[str]()),
    ],
)
def test_filters_narrow_rows_and_totals(
    client: httpx.Client, query: dict[str, str], ids: set[str]
) -> None:
    page = got(client, "/api/usage/logs", **query)
    assert {entry["id"] for entry in page["logs"]} == ids
    assert page["totals"]["requests"] == len(ids)
    assert got(client, "/api/usage/history", **query)["totalRequests"] == len(ids)


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "nothing"},
        {"from": "yesterday"},
        {"from": "0001-01-01T00:00:00+05:00"},
        {"status": "600"},
        {"limit": "1000"},
    ],
)
def test_what_cannot_be_asked_is_refused(client: httpx.Client, query: dict[str, str]) -> None:
    assert client.get("/api/usage/logs", params=query).status_code == 400


def test_telemetry_is_of_the_last_day(client: httpx.Client) -> None:
    assert got(client, "/api/telemetry/summary") == {
        "providers": {"openai": {"p50": 300, "p95": 480, "p99": 496, "count": 5}}
    }
    longer = got(client, "/api/telemetry/summary", **{"from": "2020-01-01T00:00:00Z"})
    assert set(longer["providers"]) == {"openai", "lab"}


def test_prices_name_their_source(client: httpx.Client) -> None:
    told = got(client, "/api/pricing")
    mine = told["lab"]["m"]
    assert (mine["input"], mine["output"], mine["cached"], mine["source"]) == (
        0.2,
        0.6,
        None,
        "config",
    )
    assert mine["file"].endswith("omniroute.yaml")
    assert mine["line"] == 11
    unknown = told["lab"]["unknown"]
    assert (unknown["input"], unknown["source"], unknown["line"]) == (None, None, None)
    catalog = next(iter(told["openai"].values()))
    assert catalog["input"] > 0
    assert catalog["source"].startswith("genai-prices ")
    assert datetime.fromisoformat(catalog["date"]) < NOW.replace(tzinfo=None)
    assert {one["source"] for one in told["echo"].values()} == {"preset"}
