"""`omniroute show`: one request's story, from rows of its own."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from omniroute.cli.main import cli
from omniroute.errors import LedgerError
from omniroute.ledger.drain import Drainer
from omniroute.ledger.event import EventRecord
from omniroute.ledger.record import AttemptRecord
from omniroute.ledger.spool import Spool
from tests.ledger.ready import put_database
from tests.ledger.rows import NOON, row

FAILED = AttemptRecord(
    n=1,
    provider="lab",
    connection="main",
    model="m",
    started=NOON,
    total_ms=30,
    status=503,
    error_class="unavailable",
    reason="down \x1b[2J today",
    upstream_request_id="up-1",
)
STORY = """\
request        full
time           2026-11-24 12:00:00.250000 UTC
who            key ci (team=platform) from an unknown address
client         claude-cli 2.1.0
session        s-1
agent          a-2, started by a-1
asked for      smart at /v1/chat/completions (chat, streamed)
decided by     policy:office at omniroute.yaml:7:5
served by      openai/main gpt-5 (tier flex)
fell back      unavailable
status         200
took           812.5 ms in all, 120.0 ms to the first byte, 800.0 ms at providers, 1.5 ms in the gateway
tokens         1200 input, 200 of it read from the provider's cache, 300 output, 100 of it reasoning
cost           $0.004275 (catalog), caches saved $0.001
dropped        top_k
configuration  3f2a9c at commit abc
bytes          0 in, 0 out

attempts
  1  lab/main     m      503  30.0 ms   up-1  unavailable down \\x1b[2J today
  2  openai/main  gpt-5  200  800.0 ms

meanwhile
  2026-11-24 12:00:00.250000  breaker.open  lab/main/m  it rests for 30 s
"""  # noqa: E501 - as wide as it is written


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = put_database(tmp_path_factory.mktemp("shown"))
    with Spool(folder) as spool:
        spool.append(
            row(
                "full",
                stream=True,
                session="s-1",
                agent="a-2",
                parent_agent="a-1",
                user_agent="claude-cli/2.1.0 (external)",
                decided_by="policy:office (omniroute.yaml:7:5)",
                fallback_reason="unavailable",
                service_tier="flex",
                saved_nanousd=1_000_000,
                git_commit="abc",
                dropped=("top_k",),
                attempts=(FAILED, msgspec.structs.replace(row().attempts[0], n=2)),
            )
        )
        refused: dict[str, Any] = {
            "error_class": "permission",
            "error_message": "not you",
            "cost_nanousd": None,
        }
        spool.append(row("bare", status=403, key=None, tags={}, attempts=(), **refused))
        spool.append(row("twice"))
        spool.append(row("twice", time=NOON + timedelta(hours=1)))
        said = "it rests for 30 s"
        spool.note(EventRecord(time=NOON, kind="breaker.open", subject="lab/main/m", detail=said))
    Drainer(folder).drain_once()
    return folder


def show(folder: Path, *args: str) -> Result:
    return CliRunner().invoke(cli, ["show", "--data-dir", str(folder), *args])


def test_the_whole_story_is_told(folder: Path) -> None:
    assert show(folder, "full").stdout == STORY


def test_what_there_is_not_is_left_out(folder: Path) -> None:
    told = show(folder, "bare").stdout
    names = [line.split("  ")[0] for line in told.splitlines()]
    assert not {"client", "agent", "decided by", "cost", "attempts"} & set(names)
    assert "who            no key from an unknown address\n" in told
    assert "status         403 permission\n" in told
    assert "error          not you\n" in told


def test_json_has_every_column(folder: Path) -> None:
    (story,) = json.loads(show(folder, "full", "--json").stdout)
    assert story["request"]["tags"] == {"team": "platform"}
    assert story["request"]["time"] == "2026-11-24T12:00:00.250000Z"
    assert [attempt["n"] for attempt in story["attempts"]] == [1, 2]
    assert [event["kind"] for event in story["events"]] == ["breaker.open"]


def test_an_id_that_came_twice_is_told_twice(folder: Path) -> None:
    assert show(folder, "twice").stdout.count("request        twice\n") == 2


def test_an_unknown_id_is_said(folder: Path) -> None:
    error = show(folder, "nobody").exception
    assert isinstance(error, LedgerError)
    assert "no request nobody in" in str(error)
