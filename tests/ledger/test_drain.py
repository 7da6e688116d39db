from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniroute.errors import LedgerError
from omniroute.ledger import drain, quarantine
from omniroute.ledger.database import open_database
from omniroute.ledger.drain import MAX_LINE_BYTES, Drainer
from omniroute.ledger.event import EventRecord
from omniroute.ledger.orders import DrainResult
from omniroute.ledger.pace import keep_drained, pause_s
from omniroute.ledger.paths import database_path
from omniroute.ledger.record import AttemptRecord, RequestRecord, parse_line, render_line
from omniroute.ledger.spool import Spool, segments, spool_dir
from tests.ledger.processes import database_held, run_python, running_python
from tests.ledger.ready import put_database
from tests.ledger.rows import NOON, row


def query(data_dir: Path, sql: str) -> list[tuple[Any, ...]]:
    with open_database(
        database_path(data_dir), read_only=False
    ) as connection:  # the engine is there
        return connection.execute(sql).fetchall()


def ids(data_dir: Path) -> list[str]:
    return [id_ for (id_,) in query(data_dir, "SELECT request_id FROM requests ORDER BY ALL")]


def test_lines_become_rows_once(tmp_path: Path) -> None:
    drainer = Drainer(tmp_path)
    with Spool(tmp_path) as spool:
        spool.append(row("a"))
        assert drainer.drain_once().rows == 1
        assert drainer.drain_once().outcome == "idle"
        spool.append(row("b"))
        assert Drainer(tmp_path).drain_once().rows == 1
        assert drainer.drain_once().rows == 0
    assert ids(tmp_path) == ["a", "b"]


def test_a_closed_segment_is_deleted_an_active_one_stays(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        spool.append(row("a"))
        assert Drainer(tmp_path).drain_once().segments_deleted == 0
        assert len(segments(tmp_path)) == 1
    assert Drainer(tmp_path).drain_once().segments_deleted == 1
    assert segments(tmp_path) == []
    assert ids(tmp_path) == ["a"]
    with Spool(tmp_path) as spool:
        spool.append(row("b"))
        Drainer(tmp_path).drain_once()
        offsets = query(tmp_path, "SELECT segment FROM raw.spool_offsets")
        assert offsets == [(segment.name,) for segment in segments(tmp_path)]


def test_every_field_arrives(tmp_path: Path) -> None:
    full = RequestRecord(
        request_id="req",
        time=datetime(2026, 11, 24, 23, 59, 59, 999_999, tzinfo=UTC),
        path="/v1/messages",
        client_format="anthropic",
        status=402,
        total_ms=1.25,
        config_digest="d",
        key="ci",
        tags={"team": "it's", "ä": "\0"},
        session="s",
        client_ip="::1",
        kind="embedding",
        stream=True,
        requested_model='"; DROP TABLE raw.requests; --',
        provider="p",
        connection="c",
        upstream_model="m",
        error_class="budget",
        error_message="line\nline\u2028\t\\",
        input_uncached=1,
        cache_read=2,
        cache_write=3,
        output=4,
        reasoning=5,
        usage_estimated=True,
        cost_nanousd=6,
        price_source="config",
        first_byte_ms=7.5,
        upstream_ms=8.5,
        overhead_ms=9.5,
        cache="hit",
        decided_by="budget b at omniroute.yaml:3",
        fallback_reason="429",
        dropped=("top_k", "thinking"),
        bytes_in=10,
        bytes_out=11,
        user_agent="claude-cli/2.1.0 (external, cli)",
        agent="a",
        parent_agent="b",
        service_tier="flex",
        git_commit="0" * 40,
        saved_nanousd=-12,
        attempts=(
            AttemptRecord(
                n=1,
                provider="p",
                connection="c",
                model="m",
                started=NOON,
                total_ms=2.5,
                upstream_request_id="req_up",
                first_byte_ms=1.5,
                status=429,
                error_class="rate_limit",
                reason="asked to slow down",
            ),
        ),
    )
    with Spool(tmp_path) as spool:
        spool.append(full)
    Drainer(tmp_path).drain_once()
    stored = duckdb_row(tmp_path, "raw.requests")
    expected: dict[str, Any] = {name: getattr(full, name) for name in full.__struct_fields__}
    del expected["attempts"], expected["user_agent"], expected["app"]
    expected |= {
        "client": "claude-cli",
        "client_version": "2.1.0",
        "upstream_request_id": "req_up",
        "time": full.time.replace(tzinfo=None),
        "dropped": ["top_k", "thinking"],
        "attempt_count": 1,
    }
    assert stored == expected
    attempt = full.attempts[0]
    expected = {name: getattr(attempt, name) for name in attempt.__struct_fields__}
    expected |= {
        "request_id": "req",
        "time": full.time.replace(tzinfo=None),
        "started": NOON.replace(tzinfo=None),
    }
    assert duckdb_row(tmp_path, "raw.attempts") == expected


def test_absent_fields_are_the_defaults(tmp_path: Path) -> None:
    bare = RequestRecord(
        request_id="r",
        time=NOON,
        path="/",
        client_format="openai-chat",
        status=404,
        total_ms=0.5,
        config_digest="d",
    )
    with Spool(tmp_path) as spool:
        spool.append(bare)
    Drainer(tmp_path).drain_once()
    stored = duckdb_row(tmp_path, "raw.requests")
    expected = {name: getattr(bare, name) for name in bare.__struct_fields__}
    del expected["attempts"], expected["user_agent"], expected["app"]
    expected |= dict.fromkeys(("client", "client_version", "upstream_request_id"))
    expected |= {"time": NOON.replace(tzinfo=None), "dropped": [], "attempt_count": 0}
    assert stored == expected


@pytest.mark.parametrize(
    ("user_agent", "app", "client", "version"),
    [
        ("codex_cli_rs/0.155.0 (Mac OS 15.1; arm64) iTerm", None, "codex_cli_rs", "0.155.0"),
        ("OpenAI/Python 2.1.0", None, "OpenAI/Python", "2.1.0"),
        ("AsyncAnthropic/JS 0.60.0-beta.1", None, "AsyncAnthropic/JS", "0.60.0-beta.1"),
        ("GeminiCLI/0.9.0/gemini-2.5-pro (linux; x64)", None, "GeminiCLI", "0.9.0"),
        ("Charm-Crush/v0.1.2", None, "Charm-Crush", "0.1.2"),
        ("OpenAI/JS 4.83.0", "Cline", "Cline", None),
        ("curl", None, "curl", None),
        ("Ünï (x) \n'; --", None, "Ünï", None),
        ("", None, None, None),
    ],
)
def test_a_client_is_known_by_what_it_says_of_itself(
    tmp_path: Path, user_agent: str, app: str | None, client: str | None, version: str | None
) -> None:
    with Spool(put_database(tmp_path)) as spool:
        spool.append(row("a", user_agent=user_agent, app=app))
    Drainer(tmp_path).drain_once()
    stored = duckdb_row(tmp_path, "raw.requests")
    assert (stored["client"], stored["client_version"]) == (client, version)


def test_another_zone_is_stored_as_utc(tmp_path: Path) -> None:
    local = datetime.fromisoformat("2026-11-24T14:00:00+02:00")
    with Spool(tmp_path) as spool:
        spool.append(row("a", time=local))
    Drainer(tmp_path).drain_once()
    utc = local.astimezone(UTC).replace(tzinfo=None)
    assert query(tmp_path, "SELECT time FROM requests") == [(utc,)]


@given(
    text=st.text(alphabet=st.characters(exclude_categories=()), max_size=30),
    number=st.integers(min_value=0, max_value=2**62),
)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_and_number_arrive(
    tmp_path_factory: pytest.TempPathFactory, text: str, number: int
) -> None:
    data_dir = tmp_path_factory.mktemp("data")
    with Spool(data_dir) as spool:
        spool.append(row("a", requested_model=text, tags={"t": text}, output=number))
    assert Drainer(data_dir).drain_once().rows == 1
    clean = text.encode("utf-8", "replace").decode()
    assert query(data_dir, "SELECT requested_model, tags['t'], output_tokens FROM requests") == [
        (clean, clean, number)
    ]


@pytest.mark.parametrize(
    ("damage", "refused"),
    [
        pytest.param(b'{"request_id":"torn","ti', 1, id="half a line"),
        pytest.param(b"\0" * 500, 1, id="zeroes after power loss"),
        pytest.param(b"garbage\nmore garbage", 2, id="noise"),
        pytest.param(b'{"request_id":"x"}\n\n', 2, id="an incomplete record and an empty line"),
    ],
)
def test_damage_is_stepped_over(tmp_path: Path, damage: bytes, refused: int) -> None:
    spool_dir(tmp_path).mkdir()
    (spool_dir(tmp_path) / "w0-1.jsonl").write_bytes(render_line(row("a")) + damage)
    (spool_dir(tmp_path) / "w0-2.jsonl").write_bytes(render_line(row("b")))
    result = Drainer(tmp_path).drain_once()
    assert (result.rows, result.quarantined, result.segments_deleted) == (2, refused, 2)
    assert ids(tmp_path) == ["a", "b"]


GOOD = render_line(row("good")).rstrip()


def with_(old: bytes, new: bytes) -> bytes:
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(GOOD[:-9], "truncated", id="half a line"),
        pytest.param(b"", "truncated", id="an empty line"),
        pytest.param(b"{}", "missing required field", id="no fields"),
        pytest.param(b"[1]", "Expected `object`", id="no object"),
        pytest.param(b"\0" * 300, "malformed", id="zeroes"),
        pytest.param(with_(b'"smart"', b'"\0"'), "invalid character", id="a bare NUL"),
        pytest.param(with_(b'"smart"', b'"\\ud800"'), "surrogate", id="a lone surrogate"),
        pytest.param(with_(b'"smart"', b'"\xff"'), "utf-8", id="no UTF-8"),
        pytest.param(GOOD[:-1] + b',"later":"\xff"}', "utf-8", id="no UTF-8 in a later field"),
        pytest.param(
            GOOD[:-1] + b',"later":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            "recursion",
            id="a deep field",
        ),
        pytest.param(with_(b'"output":300', b'"output":"300"'), "Expected `int", id="a text"),
        pytest.param(with_(b'"output":300', b'"output":300.5'), "Expected `int", id="a fraction"),
        pytest.param(
            with_(b'"output":300', b'"output":' + b"9" * 30), "`int` <=", id="a huge count"
        ),
        pytest.param(with_(b'"output":300', b'"output":' + b"9" * 5000), "range", id="5000 digits"),
        pytest.param(
            with_(b'"output":300', b'"output":9223372036854775808'), "`int` <=", id="one too many"
        ),
        pytest.param(
            with_(b'"status":200,"t', b'"status":3000000000,"t'), "`int` <=", id="a status"
        ),
        pytest.param(with_(b":812.5", b":1e400"), "out of range", id="a huge duration"),
        pytest.param(with_(b":812.5", b":null"), "Expected `float`", id="no duration"),
        pytest.param(with_(b'{"team":"platform"}', b'{"team":1}'), "Expected `str`", id="a tag"),
        pytest.param(with_(b'"path"', b'"paths"'), "missing required field `path`", id="no path"),
    ]
    + [
        pytest.param(with_(b'"time":"2026-11-24', b'"time":"' + day), "datetime", id=day.decode())
        for day in (b"0000-01-01", b"2026-02-30", b"12026-01-01", b"-100-01-01")
    ],
)
def test_a_line_that_is_no_record_stops_nothing(
    tmp_path: Path, line: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    spool_dir(put_database(tmp_path)).mkdir()
    segment = spool_dir(tmp_path) / "w0-1.jsonl"
    segment.write_bytes(render_line(row("a")) + line + b"\n" + render_line(row("b")))
    result = Drainer(tmp_path).drain_once()
    assert (result.rows, result.quarantined) == (2, 1)
    assert ids(tmp_path) == ["a", "b"]
    (kept,) = quarantined(tmp_path)
    assert reason in kept["reason"]
    assert kept["offset"] == len(render_line(row("a")))
    assert kept["size"] == len(line)
    assert kept["line"] == line[: 64 << 10].decode("utf-8", "backslashreplace")
    assert "are kept in" in caplog.text
    assert Drainer(tmp_path).drain_once().outcome == "idle"


def test_a_line_of_a_newer_version_is_a_row(tmp_path: Path) -> None:
    spool_dir(tmp_path).mkdir()
    line = GOOD[:-1] + b',"added_later":{"a":[1e999,"\\u0000"]}}\n'
    (spool_dir(tmp_path) / "w0-1.jsonl").write_bytes(line)
    assert Drainer(tmp_path).drain_once().quarantined == 0
    assert ids(tmp_path) == ["good"]


def refuse_doubles(data_dir: Path) -> None:
    """An owner's own index, as an example of what the drain cannot know."""
    with duckdb.connect(str(database_path(data_dir))) as connection:
        connection.execute("CREATE UNIQUE INDEX mine ON raw.requests (request_id)")


def forget_rows(data_dir: Path) -> None:
    with duckdb.connect(str(database_path(data_dir))) as connection:
        connection.execute("DELETE FROM raw.requests")
        connection.execute("DELETE FROM raw.attempts")


def quarantined(data_dir: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted((data_dir / "quarantine").glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]


def test_what_the_database_refuses_is_set_aside_and_the_rest_goes_in(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        spool.append(row("there"))
    Drainer(tmp_path).drain_once()
    refuse_doubles(tmp_path)
    for worker in ("w0", "w1"):
        with Spool(tmp_path, worker=worker) as spool:
            for n in range(50):
                spool.append(row(f"{worker}-{n}"))
                if n % 17 == 3:
                    spool.append(row("there"))
    result = Drainer(tmp_path).drain_once()
    assert (result.rows, result.quarantined, result.segments_deleted) == (100, 6, 2)
    assert sorted(ids(tmp_path)) == sorted(
        ["there", *(f"{worker}-{n}" for worker in ("w0", "w1") for n in range(50))]
    )
    kept = quarantined(tmp_path)
    assert {parse_line(line["line"].encode()).request_id for line in kept} == {"there"}
    assert all(line["reason"].startswith("refused: Constraint Error") for line in kept)


def test_events_become_rows_beside_requests(tmp_path: Path) -> None:
    told = EventRecord(time=NOON, kind="breaker.open", subject="lab/m\ud800", detail="x" * 2000)
    with Spool(tmp_path) as spool:
        spool.append(row("a"))
        spool.note(told)
        assert spool.stats.appended == 1
    with (spool_dir(tmp_path) / "w9-1.jsonl").open("wb") as file:
        file.write(b'{"event":{"time":"soon"}}\n')
    drainer = Drainer(tmp_path)
    result = drainer.drain_once()
    assert (result.rows, result.quarantined) == (2, 1)
    assert ids(tmp_path) == ["a"]
    found = query(tmp_path, "SELECT kind, subject, detail, config_digest FROM events ORDER BY time")
    assert found == [
        ("breaker.open", "lab/m?", "x" * 999 + "…", None),
        ("ledger.quarantined", "w9-1-000000000000.jsonl", found[1][2], None),
    ]
    assert found[1][2].startswith("1 lines of the spool are no rows: no record: ")
    assert drainer.expire(NOON + timedelta(seconds=1)) == 1
    assert query(tmp_path, "SELECT count(*) FROM events") == [(1,)]


def test_a_fault_of_the_schema_sends_nothing_to_the_quarantine(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        spool.append(row("a"))
    Drainer(tmp_path).drain_once()
    with duckdb.connect(str(database_path(tmp_path))) as connection:
        connection.execute("DROP VIEW IF EXISTS requests")
        connection.execute("ALTER TABLE raw.requests DROP COLUMN path")
    with Spool(tmp_path) as spool:
        spool.append(row("b"))
    with pytest.raises(LedgerError, match="path"):
        Drainer(tmp_path).drain_once()
    assert quarantined(tmp_path) == []
    assert len(segments(tmp_path)) == 1


def test_the_quarantine_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "MAX_TOTAL_BYTES", 3000)
    spool_dir(tmp_path).mkdir()
    for n in range(10):
        (spool_dir(tmp_path) / f"w0-{n}.jsonl").write_bytes(b"x" * 1000 + b"\n")
        assert Drainer(tmp_path).drain_once().quarantined == 1
    folder = quarantine.quarantine_dir(tmp_path)
    assert [path.name[:4] for path in sorted(folder.iterdir())] == ["w0-8", "w0-9"]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a_torn_tail_of_an_active_segment_is_waited_for(tmp_path: Path) -> None:
    drainer = Drainer(tmp_path)
    with Spool(tmp_path) as spool:
        spool.append(row("a"))
        segment = segments(tmp_path)[0]
        line = render_line(row("b"))
        with segment.open("ab", buffering=0) as file:
            file.write(line[:20])
            assert drainer.drain_once().rows == 1
            file.write(line[20:])
            assert drainer.drain_once().rows == 1
    assert ids(tmp_path) == ["a", "b"]


def test_a_huge_hole_does_not_stop_the_drain(tmp_path: Path) -> None:
    spool_dir(tmp_path).mkdir()
    hole = b"\0" * (9 * MAX_LINE_BYTES) + b"\n"
    (spool_dir(tmp_path) / "w0-1.jsonl").write_bytes(hole + render_line(row("a")))
    assert Drainer(tmp_path).drain_all(patience_s=5).rows == 1
    assert segments(tmp_path) == []


def test_a_backlog_drains_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches bound how long the file is held; three spools must all get their turn."""
    monkeypatch.setattr(drain, "BATCH_BYTES", 4 << 20)
    wide = {"error_message": "x" * 1000, "requested_model": "y" * 1000}
    for worker in ("w0", "w1", "w2"):
        with Spool(tmp_path, worker=worker) as spool:
            for n in range(900):
                spool.append(row(f"{worker}-{n:04}", **wide))
    drainer = Drainer(tmp_path)
    first = drainer.drain_once()
    assert first.more
    assert 0 < first.rows < 2700
    assert drainer.drain_all(patience_s=5).rows == 2700 - first.rows
    assert len(ids(tmp_path)) == len(set(ids(tmp_path))) == 2700
    assert segments(tmp_path) == []


@pytest.mark.parametrize("how", ["read", "write"])
def test_while_somebody_holds_the_file_the_spool_waits(tmp_path: Path, how: str) -> None:
    drainer = Drainer(tmp_path)
    with Spool(tmp_path) as spool:
        spool.append(row("a"))
        drainer.drain_once()
        with database_held(database_path(tmp_path), how=how):
            spool.append(row("b"))
            assert drainer.drain_once().outcome == "busy"
            assert drainer.drain_all(patience_s=0.2).outcome == "busy"
        assert drainer.drain_once().rows == 1
    assert ids(tmp_path) == ["a", "b"]


def test_a_reader_in_the_same_process_is_waited_for_too(tmp_path: Path) -> None:
    drainer = Drainer(tmp_path)
    with Spool(tmp_path) as spool:
        spool.append(row("a"))
        drainer.drain_once()
        with open_database(database_path(tmp_path), read_only=True):
            spool.append(row("b"))
            assert drainer.drain_once().outcome == "busy"
        assert drainer.drain_once().rows == 1


DRAIN_REPEATEDLY = """
import sys
from pathlib import Path
from omniroute.ledger.drain import Drainer
drainer = Drainer(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
while drainer.drain_once().outcome != "idle":
    pass
"""


def test_several_drainers_do_not_insert_twice(tmp_path: Path) -> None:
    with (
        Spool(tmp_path) as spool,
        running_python(DRAIN_REPEATEDLY, tmp_path) as one,
        running_python(DRAIN_REPEATEDLY, tmp_path) as two,
    ):
        for n in range(3000):
            spool.append(row(f"r{n}"))
        for process in (one, two):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in (one, two):
            process.communicate("go\n", timeout=30)
            assert process.returncode == 0
    Drainer(tmp_path).drain_all(patience_s=5)
    assert sorted(ids(tmp_path)) == sorted(f"r{n}" for n in range(3000))


SERVE_UNTIL_KILLED = """
import itertools, sys, threading
from pathlib import Path
from omniroute.ledger.drain import Drainer
from omniroute.ledger.spool import Spool
from tests.ledger.rows import row
data_dir = Path(sys.argv[1])
drainer = Drainer(data_dir)
def drain():
    while True:
        drainer.drain_once()
threading.Thread(target=drain, daemon=True).start()
spool = Spool(data_dir, max_segment_bytes=20_000)
for n in itertools.count():
    spool.append(row(f"{sys.argv[2]}-{n}"))
    print(f"{sys.argv[2]}-{n}", flush=True)
"""


def test_killed_in_the_middle_of_load_nothing_answered_is_lost_or_doubled(tmp_path: Path) -> None:
    answered: set[str] = set()
    for life in range(4):
        with running_python(SERVE_UNTIL_KILLED, tmp_path, life) as process:
            assert process.stdout is not None
            answered |= {process.stdout.readline().strip() for _ in range(400 * (life + 1))}
            process.kill()
            answered |= {line.strip() for line in process.stdout if line.endswith("\n")}
    Drainer(tmp_path).drain_all(patience_s=5)
    stored = ids(tmp_path)
    assert len(stored) == len(set(stored))
    assert answered <= set(stored)
    assert segments(tmp_path) == []


# Ends the process before the nth different line of the named functions, for every n: before and
# after each statement of the transaction, the closing, each unlink. Prints n in the end.
KILL_AT_EVERY_LINE = """
import os, shutil, signal, sys
from pathlib import Path
from omniroute.ledger.drain import Drainer
from omniroute.ledger.record import render_line
from omniroute.ledger.spool import Spool
from tests.ledger.rows import row

def drain_and_die(data_dir, step):
    seen = set()
    def on_line(frame, event, argument):
        seen.add((frame.f_code.co_name, frame.f_lineno))
        if len(seen) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return on_line
    drainer = Drainer(data_dir)
    sys.settrace(lambda frame, *_: on_line if frame.f_code.co_name in functions else None)
    drainer.drain_all(patience_s=0)
    os._exit(0)

root, functions, refused = Path(sys.argv[1]), sys.argv[2].split(), sys.argv[3] == "True"
step = 0
while True:
    step += 1
    data_dir = root / str(step)
    with Spool(data_dir, max_segment_bytes=1000) as spool:
        for n in range(2 if refused else 5):
            spool.append(row(f"r{n}"))
            if refused:  # one line that is no record, one that the database holds already
                segment = sorted((data_dir / "spool").glob("*.jsonl"))[-1]
                segment.open("ab").write(b"bad\\n" + render_line(row("there")))
    if (root / "usage.duckdb").exists():
        shutil.copy(root / "usage.duckdb", data_dir)
    child = os.fork()
    if not child:
        drain_and_die(data_dir, step)
    status = os.waitpid(child, 0)[1]
    if status == 0:
        break
    assert os.WIFSIGNALED(status), status
print(step)
"""


@pytest.mark.parametrize(
    ("before", "functions", "at_least"),
    [
        pytest.param("empty", "_drain", 15, id="draining"),
        pytest.param("empty", "_commit", 10, id="inserting"),
        pytest.param("empty", "writing", 10, id="the engine"),
        pytest.param("nothing", "create_database _apply", 10, id="creating the database"),
        pytest.param("refusing", "keep _quarantine", 10, id="quarantine"),
        pytest.param("refusing", "_commit_in_pieces", 10, id="halving"),
    ],
)
def test_killed_at_any_line_of_a_drain_each_record_is_there_once(
    tmp_path: Path, *, before: str, functions: str, at_least: int
) -> None:
    refused = before == "refusing"
    if before != "nothing":
        with Spool(tmp_path) as spool:
            spool.append(row("there"))
        Drainer(tmp_path).drain_once()
        if refused:
            refuse_doubles(tmp_path)
        else:
            forget_rows(tmp_path)
    steps = int(run_python(KILL_AT_EVERY_LINE, tmp_path, functions, refused))
    assert steps > at_least
    for step in range(1, steps + 1):
        data_dir = tmp_path / str(step)
        Drainer(data_dir).drain_all(patience_s=5)
        rows = 2 if refused else 5
        stored = [id_ for id_ in ids(data_dir) if id_ != "there"]
        assert (step, stored) == (step, [f"r{n}" for n in range(rows)])
        assert segments(data_dir) == []
        kept = sorted(line["line"][:3] for line in quarantined(data_dir))
        assert (step, kept) == (step, ["bad"] * 2 + ['{"r'] * 2 if refused else [])


def test_only_the_owner_may_read_the_database(tmp_path: Path) -> None:
    with Spool(tmp_path / "data") as spool:
        spool.append(row())
    Drainer(tmp_path / "data").drain_once()
    assert database_path(tmp_path / "data").stat().st_mode & 0o777 == 0o600


def test_the_file_can_be_opened_by_older_tools(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        spool.append(row())
    assert Drainer(tmp_path).drain_once().rows == 1
    ((version,),) = query(
        tmp_path,
        "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'usage'",
    )
    assert version == "v1.2.0+"


def test_a_file_that_is_no_database_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    database_path(tmp_path).write_text("not a database")
    with Spool(tmp_path) as spool:
        spool.append(row("a"))
    with pytest.raises(LedgerError, match="cannot open"):
        Drainer(tmp_path).drain_once()
    database_path(tmp_path).unlink()
    assert Drainer(tmp_path).drain_once().rows == 1


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        spool.append(row("a"))
    Drainer(tmp_path).drain_once()
    with duckdb.connect(str(database_path(tmp_path))) as connection:
        connection.execute("INSERT INTO raw.migrations VALUES ('0999_future', 'x', now())")
    with Spool(tmp_path) as spool:
        spool.append(row("b"))
    with pytest.raises(LedgerError, match="newer version"):
        Drainer(tmp_path).drain_once()
    assert len(segments(tmp_path)) == 1


def test_old_rows_expire_with_their_attempts(tmp_path: Path) -> None:
    drainer = Drainer(tmp_path)
    assert drainer.expire(NOON) == 0
    with Spool(tmp_path) as spool:
        for n in range(5):
            spool.append(row(f"r{n}", time=NOON + timedelta(days=n)))
    drainer.drain_once()
    assert drainer.expire(NOON + timedelta(days=2)) == 2
    assert drainer.expire(NOON + timedelta(days=2)) == 0
    assert ids(tmp_path) == ["r2", "r3", "r4"]
    assert query(tmp_path, "SELECT DISTINCT request_id FROM attempts ORDER BY 1") == [
        ("r2",),
        ("r3",),
        ("r4",),
    ]


async def test_the_loop_drains_expires_and_survives_trouble(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said: asyncio.Queue[str] = asyncio.Queue()
    caplog.set_level(logging.INFO, "omniroute.ledger")
    now = datetime.now(UTC)
    database_path(tmp_path).write_text("not a database")
    with Spool(tmp_path) as spool, listening_to("omniroute.ledger", said):
        spool.append(row("old", time=now - timedelta(days=2)))
        spool.append(row("new", time=now))
        draining = asyncio.create_task(
            keep_drained(Drainer(tmp_path), interval_s=0.01, retention_s=lambda: 86400.0)
        )
        async with asyncio.timeout(10):
            assert (await said.get()).startswith("usage records wait in the spool: cannot open")
            database_path(tmp_path).unlink()
            assert await said.get() == "usage records reach the database again"
        draining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await draining
    assert ids(tmp_path) == ["new"]


@pytest.mark.parametrize(
    ("rows", "held_s", "pause"),
    [
        pytest.param(0, 0.0, 1.0, id="nothing to do"),
        pytest.param(20, 0.03, 1.0, id="a quiet gateway is a second behind"),
        pytest.param(500, 0.03, 4.0, id="a busy one opens the file less often"),
        pytest.param(6000, 0.3, 6.0, id="a large file even less often"),
        pytest.param(20_000, 0.5, 0.15, id="a backlog goes on, past those who wait to read"),
    ],
)
def test_a_drain_that_brought_much_is_followed_by_a_longer_pause(
    rows: int, held_s: float, pause: float
) -> None:
    result = DrainResult(outcome="done", rows=rows, held_s=held_s, more=rows >= 20_000)
    assert pause_s(result, 1.0) == pytest.approx(pause)


@contextmanager
def listening_to(logger: str, said: asyncio.Queue[str]) -> Generator[None]:
    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.put_nowait(record.getMessage())

    listener = Listener()
    logging.getLogger(logger).addHandler(listener)
    try:
        yield
    finally:
        logging.getLogger(logger).removeHandler(listener)


def duckdb_row(data_dir: Path, table: str) -> dict[str, Any]:
    with open_database(database_path(data_dir), read_only=True) as connection:
        cursor = connection.execute(f"SELECT * FROM {table}")  # noqa: S608 - a name of the test's
        names = [column[0] for column in cursor.description or ()]
        (values,) = cursor.fetchall()
    return dict(zip(names, values, strict=True))
