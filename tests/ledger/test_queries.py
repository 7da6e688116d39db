from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from omniroute.errors import LedgerError, RequestError
from omniroute.ledger.drain import Drainer
from omniroute.ledger.paths import database_path
from omniroute.ledger.queries import COLUMNS_SQL, open_ledger
from omniroute.ledger.sandbox import Limits
from omniroute.ledger.spool import Spool
from tests.ledger.asking import asked
from tests.ledger.processes import database_held
from tests.ledger.ready import put_database
from tests.ledger.rows import NOON, row


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """Three requests, none drained yet."""
    with Spool(put_database(tmp_path)) as spool:
        answered(spool)
        yield tmp_path


@pytest.fixture(scope="module")
def drained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three requests in the database, for all who can only read."""
    data_dir = put_database(tmp_path_factory.mktemp("drained"))
    with Spool(data_dir) as spool:
        answered(spool)
    Drainer(data_dir).drain_once()
    return data_dir


def answered(spool: Spool) -> None:
    spool.append(row("a"))
    spool.append(row("b", key="web", time=NOON + timedelta(minutes=1)))
    spool.append(row("c", status=502, error_class="upstream", output=None, cost_nanousd=None))


def test_a_query_sees_what_was_just_answered(data_dir: Path) -> None:
    answer = asked(data_dir, "SELECT key, count(*) n FROM requests GROUP BY 1 ORDER BY 1")
    assert (answer.columns, answer.types) == (("key", "n"), ("VARCHAR", "BIGINT"))
    assert answer.rows == (("ci", 2), ("web", 1))
    assert answer.truncated is False


@pytest.mark.parametrize(
    "sql",
    [
        "FROM requests",
        "WITH r AS (FROM requests) SELECT * FROM r -- a comment\n;",
        "DESCRIBE requests",
        "SUMMARIZE requests",
        "SHOW TABLES",
        "VALUES (1)",
        "SELECT sum(cost_usd) OVER (ORDER BY time) FROM requests",
    ],
)
def test_everything_that_reads_is_allowed(drained: Path, sql: str) -> None:
    assert asked(drained, sql).rows


def test_rows_are_limited_without_computing_the_rest(data_dir: Path) -> None:
    answer = asked(
        data_dir,
        "SELECT range FROM range(1000000000000)",
        Limits(rows=5, seconds=5),
    )
    assert answer.rows == tuple((n,) for n in range(5))
    assert answer.truncated is True


def test_a_slow_query_is_ended(data_dir: Path) -> None:
    with pytest.raises(RequestError) as refused:
        asked(
            data_dir,
            "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b",
            Limits(seconds=0.2),
        )
    assert (refused.value.kind, refused.value.status) == ("timeout", 504)


def test_while_a_writer_holds_the_file_the_client_is_told_to_come_back(data_dir: Path) -> None:
    Drainer(data_dir).drain_once()
    with (
        database_held(database_path(data_dir), how="write"),
        pytest.raises(RequestError) as refused,
    ):
        asked(data_dir, "FROM requests")
    assert (refused.value.kind, refused.value.retry_after_s) == ("unavailable", 1)


def test_beside_another_reader_what_is_drained_can_be_read(data_dir: Path) -> None:
    Drainer(data_dir).drain_once()
    with database_held(database_path(data_dir), how="read"), Spool(data_dir) as spool:
        spool.append(row("d"))
        answer = asked(data_dir, "SELECT count(*) FROM requests")
    assert answer.rows == ((3,),)


def test_before_the_first_request_there_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no usage data yet"):
        asked(tmp_path, "FROM requests")
    with (
        pytest.raises(LedgerError, match="no request has been served"),
        open_ledger(tmp_path, patience_s=0),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_every_column_of_every_view_says_what_it_is(data_dir: Path) -> None:
    Drainer(data_dir).drain_once()
    with open_ledger(data_dir, patience_s=1) as connection:
        columns = connection.execute(COLUMNS_SQL).fetchall()
    assert [f"{view}.{column}" for view, column, _, meaning in columns if not meaning] == []
    assert {view for view, *_ in columns} == {
        "requests",
        "attempts",
        "daily_usage",
        "by_model",
        "events",
        "by_key",
        "errors",
        "latency",
    }


def one(data_dir: Path, sql: str) -> dict[str, object]:
    answer = asked(data_dir, sql)
    (values,) = answer.rows
    return dict(zip(answer.columns, values, strict=True))


def test_usage_adds_up_exactly_and_says_what_it_does_not_know(data_dir: Path) -> None:
    usage = one(data_dir, "FROM daily_usage WHERE key = 'ci'")
    assert usage == {
        "day": NOON.date(),
        "key": "ci",
        "provider": "openai",
        "model": "gpt-5",
        "requests": 2,
        "errors": 1,
        "input_tokens": 2400,
        "cache_read_tokens": 400,
        "output_tokens": 300,
        "cost_usd": Decimal("0.004275"),
        "unpriced": 0,
    }
    assert one(data_dir, "SELECT sum(cost_usd) AS usd FROM by_model") == {
        "usd": Decimal("0.008550")
    }


def test_a_client_that_left_is_no_error(data_dir: Path) -> None:
    with Spool(data_dir) as spool:
        spool.append(row("d", key="left", status=499, error_class="client_closed"))
    assert one(data_dir, "SELECT requests, errors FROM by_key WHERE key = 'left'") == {
        "requests": 1,
        "errors": 0,
    }
    assert one(data_dir, "FROM errors WHERE status = 499")["error_class"] == "client_closed"


def test_errors_show_the_latest_of_their_kind(data_dir: Path) -> None:
    with Spool(data_dir) as spool:
        spool.append(
            row(
                "z",
                status=502,
                error_class="upstream",
                error_message="boom",
                time=NOON + timedelta(hours=1),
            )
        )
    error = one(data_dir, "FROM errors")
    assert (error["requests"], error["last_request_id"], error["last_message"]) == (2, "z", "boom")


def test_latency_is_of_answered_requests(data_dir: Path) -> None:
    with Spool(data_dir) as spool:
        for n in range(1, 99):
            spool.append(row(f"l{n}", total_ms=float(n), first_byte_ms=None))
    latency = one(data_dir, "FROM latency")
    assert latency["requests"] == 100
    assert latency["total_p50_ms"] == 50.5
    assert latency["first_byte_p50_ms"] == 120.0
