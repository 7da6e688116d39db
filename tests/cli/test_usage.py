"""`omniroute usage`: each named question on rows of its own, and as the SQL that it prints."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result

from omniroute.cli.main import cli
from omniroute.errors import LedgerError, UsageError
from omniroute.ledger.drain import Drainer
from omniroute.ledger.paths import database_path
from omniroute.ledger.spool import Spool
from tests.ledger.ready import put_database
from tests.ledger.rows import row

NOW = datetime.now(UTC)
CONFIG = """\
version: 1
server: {data_dir: data}
providers: {echo: {preset: echo}}
keys: {ci: {hash: "sha256:%s", tags: {team: platform}}}
budgets:
  all: {scope: global, limit: 1.00, period: total}
  ci: {scope: {key: ci}, limit: 0.02, period: total}
  team: {scope: {tag: {team: platform}}, limit: 0.50, period: total}
  gpt: {scope: {model: "openai/gpt-?"}, limit: 0.03, period: total}
  echo: {scope: {provider: echo}, limit: 5, period: total}
""" % ("0" * 64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("usage")
    (folder / "omniroute.yaml").write_text(CONFIG)
    put_database(folder / "data")
    with Spool(folder / "data") as spool:
        spool.append(
            row(
                "a",
                time=NOW,
                cost_nanousd=15_000_000,
                saved_nanousd=2_000_000,
                git_commit="abc123",
                agent="triage",
                user_agent="claude-cli/2.1.0",
            )
        )
        spool.append(
            row("b", time=NOW, key="it's", tags={"team": "web", "env": "ci"}, cache="miss")
        )
        spool.append(row("old", time=NOW - timedelta(days=3), config_digest="before", tags={}))
        spool.append(
            row(
                "c",
                time=NOW,
                status=403,
                error_class="permission",
                error_message="no",
                decided_by="policy:no-opus (omniroute.yaml:3)",
                provider=None,
                upstream_model=None,
                cost_nanousd=None,
                attempts=(),
            )
        )
    Drainer(folder / "data").drain_once()
    return folder


def usage(folder: Path, *args: str) -> Result:
    return CliRunner().invoke(cli, ["usage", *args, "-c", str(folder / "omniroute.yaml")])


def rows(folder: Path, *args: str) -> list[dict[str, Any]]:
    result = usage(folder, *args, "--json")
    assert result.exception is None, result.exception
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("by", "column", "expected"),
    [
        ("model", "model", {"openai/gpt-5": 2, "": 1}),
        ("provider", "provider", {"openai": 2, None: 1}),
        ("key", "key", {"ci": 2, "it's": 1}),
        ("session", "session", {None: 3}),
        ("agent", "agent", {"triage": 1, None: 2}),
        ("client", "client", {"claude-cli 2.1.0": 1, "": 2}),
        ("commit", "commit", {"3f2a9c": 2, "abc123": 1}),
        ("tag", "tag", {"team=platform": 2, "team=web": 1, "env=ci": 1}),
        ("tag:team", "team", {"platform": 2, "web": 1}),
        ('tag:it\'s "so"', 'it\'s "so"', {None: 3}),
    ],
)
def test_usage_of_today_is_grouped_as_asked(
    folder: Path, by: str, column: str, expected: dict[str | None, int]
) -> None:
    assert {
        found[column]: found["requests"] for found in rows(folder, "--by", by, "--since", "2h")
    } == expected


def test_a_request_without_tags_counts_too(folder: Path) -> None:
    found = {row["tag"]: row["requests"] for row in rows(folder, "--by", "tag", "--since", "9d")}
    assert found == {"team=platform": 2, "team=web": 1, "env=ci": 1, "": 1}


def test_the_sums_are_those_of_the_rows(folder: Path) -> None:
    (found,) = [
        found for found in rows(folder, "--by", "key", "--since", "2h") if found["key"] == "ci"
    ]
    assert found == {
        "key": "ci",
        "requests": 2,
        "errors": 1,
        "input_tokens": 2400,
        "cache_read_tokens": 400,
        "output_tokens": 600,
        "cost_usd": 0.015,
        "unpriced": 0,
    }


SINCE = {
    "a span": ("1h", 3),
    "a longer one": ("7d", 4),
    "a day": (f"{NOW - timedelta(days=9):%Y-%m-%d}", 4),
    "an instant": ((NOW + timedelta(hours=9)).isoformat(), 0),
    "an hour ago as Tokyo writes it": (f"{NOW + timedelta(hours=8):%Y-%m-%dT%H:%M}+09:00", 3),
}


@pytest.mark.parametrize("which", SINCE)
def test_since_is_a_span_or_a_moment(folder: Path, which: str) -> None:
    since, expected = SINCE[which]
    found = rows(folder, "--by", "provider", "--since", since)
    assert sum(each["requests"] for each in found) == expected


def test_without_it_today_counts_in_utc(folder: Path) -> None:
    assert "time >= date_trunc('day', now() AT TIME ZONE 'UTC')" in usage(folder, "--sql").stdout
    assert rows(folder) == rows(folder, "--by", "model", "--since", f"{NOW:%Y-%m-%d}")


def test_top_names_the_dearest_request(folder: Path) -> None:
    first = rows(folder, "top")[0]
    assert (first["key"], first["dearest_request"], first["dearest_usd"]) == ("ci", "a", 0.015)
    assert sum(found["percent"] for found in rows(folder, "top")) == pytest.approx(100)


def test_errors_name_the_rule(folder: Path) -> None:
    (found,) = rows(folder, "errors")
    assert found["decided_by"] == "policy:no-opus (omniroute.yaml:3)"
    assert (found["requests"], found["last_request"], found["last_message"]) == (1, "c", "no")


def test_latency_is_of_answered_requests(folder: Path) -> None:
    (found,) = rows(folder, "latency")
    assert (found["requests"], found["total_p95_ms"], found["first_byte_p50_ms"]) == (2, 812.5, 120)
    assert found["output_tokens_per_s"] == 375


def test_cost_adds_up_over_days(folder: Path) -> None:
    first, second = rows(folder, "cost")
    assert (first["cost_usd"], second["cost_usd"]) == (0.004275, 0.019275)
    assert second["cost_so_far_usd"] == 0.02355


def test_cache_tells_both_caches(folder: Path) -> None:
    (found,) = rows(folder, "cache", "--since", "1d")
    assert (found["hits"], found["misses"]) == (0, 1)
    assert (found["input_tokens"], found["cache_read_tokens"]) == (2400, 400)
    assert (found["read_percent"], found["saved_usd"]) == (16.7, 0.002)


def test_commits_are_told_apart(folder: Path) -> None:
    found = {(each["git_commit"], each["config_digest"]): each for each in rows(folder, "commits")}
    assert set(found) == {("abc123", "3f2a9c"), (None, "3f2a9c"), (None, "before")}
    newer = found[None, "3f2a9c"]
    assert (newer["requests"], newer["refused_percent"]) == (2, 50)


FOCUS_MUST = re.findall(
    r"\w+",
    """BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd
BillingPeriodStart ChargeCategory ChargeClass ChargeDescription ChargePeriodEnd ChargePeriodStart
ContractedCost EffectiveCost InvoiceIssuerName ListCost PricingQuantity PricingUnit ProviderName
PublisherName ServiceCategory ServiceName""",
)


def test_focus_has_its_columns_and_the_same_sum(folder: Path) -> None:
    found = rows(folder, "focus")
    assert set(FOCUS_MUST) <= set(found[0])
    assert [name for name in found[0] if name not in FOCUS_MUST and not name.startswith("x_")] == [
        "ChargeFrequency",
        "ConsumedQuantity",
        "ConsumedUnit",
        "ServiceSubcategory",
        "SubAccountId",
        "SubAccountName",
        "Tags",
    ]
    assert sum(each["BilledCost"] for each in found) == pytest.approx(0.02355)
    (mine,) = [each for each in found if each["SubAccountId"] == "it's"]
    assert mine["ChargePeriodStart"] == f"{NOW:%Y-%m-%d}T00:00:00Z"
    assert mine["BillingPeriodStart"] == f"{NOW:%Y-%m}-01T00:00:00Z"
    assert json.loads(mine["Tags"]) == {"team": "web", "env": "ci"}
    assert (mine["PricingQuantity"], mine["x_Requests"], mine["ChargeClass"]) == (1500, 1, None)


def test_budgets_count_what_their_scope_covers(folder: Path) -> None:
    found = {found["budget"]: found for found in rows(folder, "budgets")}
    assert {name: row["spent_usd"] for name, row in found.items()} == {
        "all": 0.02355,
        "ci": 0.019275,
        "team": 0.015,
        "gpt": 0.02355,
        "echo": 0,
    }
    assert (found["ci"]["percent"], found["ci"]["left_usd"]) == (96.4, 0.000725)
    assert (found["echo"]["limit_usd"], found["echo"]["last_time"]) == (5, None)


QUESTIONS = [
    ["--by", "tag"],
    ["--by", "key"],
    *(
        [name]
        for name in ("top", "errors", "latency", "cost", "cache", "budgets", "focus", "commits")
    ),
]


@pytest.mark.parametrize("args", QUESTIONS, ids=" ".join)
def test_the_printed_sql_is_the_question(folder: Path, args: list[str]) -> None:
    printed = usage(folder, *args, "--sql").stdout
    assert printed.startswith("-- ")
    with duckdb.connect(str(database_path(folder / "data")), read_only=True) as other_tool:
        answer = other_tool.execute(printed)
        names = [column[0] for column in answer.description or ()]
        count = len(answer.fetchall())
    assert count == len(rows(folder, *args))
    assert usage(folder, *args, "--csv").stdout.splitlines()[0].split(",") == names


def test_what_was_just_answered_is_there_while_nobody_has_drained_it(tmp_path: Path) -> None:
    with Spool(put_database(tmp_path)) as spool:
        spool.append(row("a", time=datetime.now(UTC)))
        shown = CliRunner().invoke(cli, ["usage", "--data-dir", str(tmp_path)])
    assert "openai/gpt-5" in shown.stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--by", "colour"), "'colour' is not one of key, model, "),
        (("--by", "key:x"), "'key:x' is not one of"),
        (("--since", "yesteryear"), "'yesteryear' is no moment; write today, 24h"),
        (("top", "--since", "7"), "'7' is no moment"),
    ],
)
def test_wrong_use_is_explained(folder: Path, args: tuple[str, ...], message: str) -> None:
    error = usage(folder, *args).exception
    assert isinstance(error, UsageError)
    assert message in str(error)


def test_without_budgets_or_data_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "omniroute.yaml").write_text("version: 1\nproviders: {echo: {preset: echo}}\n")
    assert "declares no budget" in str(usage(tmp_path, "budgets").exception)
    assert isinstance(usage(tmp_path, "top", "--data-dir", str(tmp_path)).exception, LedgerError)
