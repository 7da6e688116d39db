"""A server's rows reach the database through a process of their own."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from omniroute.errors import LedgerBusyError, LedgerError
from omniroute.ledger.paths import database_path
from omniroute.ledger.queries import open_ledger
from omniroute.ledger.spool import Spool, spool_dir
from omniroute.ledger.writer import LedgerWriter
from tests.ledger.processes import database_held, scribes
from tests.ledger.ready import put_database
from tests.ledger.rows import NOON, row


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[LedgerWriter]:
    writer = LedgerWriter(put_database(tmp_path))
    yield writer
    writer.finish(patience_s=5)


def ids(data_dir: Path) -> list[str]:
    with open_ledger(data_dir, patience_s=5) as database:
        return [id_ for (id_,) in database.execute("SELECT request_id FROM requests").fetchall()]


def test_every_order_is_done_by_one_process(
    tmp_path: Path, writer: LedgerWriter, caplog: pytest.LogCaptureFixture
) -> None:
    assert writer.drain_once().outcome == "idle"
    assert scribes(tmp_path) == []
    with Spool(tmp_path) as spool:
        spool.append(row("old", time=NOON - timedelta(days=9)))
        spool.append(row("a", tags={"team": "x"}))
        result = writer.drain_once()
        assert (result.outcome, result.rows) == ("done", 2)
        (scribe,) = scribes(tmp_path)
        assert writer.drain_once().outcome == "idle"
        with (spool_dir(tmp_path) / "w9-1.jsonl").open("wb") as file:
            file.write(b"no record\n")
        assert writer.drain_all(patience_s=5).quarantined == 1
        assert writer.expire(NOON - timedelta(days=1)) == 1
        spool.append(row("b", cost_nanousd=None))
        (spent,) = writer.spent(NOON)
    assert (spent.at, spent.tags, spent.cost_nanousd) == (NOON, {"team": "x"}, 4_275_000)
    assert scribes(tmp_path) == [scribe]
    assert writer.quarantined == 1
    assert "are kept in" in caplog.text
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    writer.finish(patience_s=5)
    assert scribes(tmp_path) == []
    assert ids(tmp_path) == ["a", "b"]


def test_a_database_is_made_where_there_is_none(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path)
    writer.create()
    writer.create()
    assert ids(tmp_path) == []
    assert database_path(tmp_path).stat().st_mode & 0o777 == 0o600
    writer.finish(patience_s=5)


def test_killed_it_is_begun_again_and_nothing_is_lost(tmp_path: Path, writer: LedgerWriter) -> None:
    with Spool(tmp_path) as spool:
        spool.append(row("a"))
        writer.drain_once()
        (scribe,) = scribes(tmp_path)
        os.kill(scribe, signal.SIGKILL)
        os.waitid(os.P_PID, scribe, os.WEXITED | os.WNOWAIT)
        spool.append(row("b"))
        assert writer.drain_all(patience_s=5).rows == 1
    assert ids(tmp_path) == ["a", "b"]


def test_who_holds_the_file_is_waited_for_and_trouble_is_told(
    tmp_path: Path, writer: LedgerWriter
) -> None:
    with Spool(tmp_path) as spool:
        spool.append(row("a"))
        with database_held(database_path(tmp_path)):
            assert writer.drain_once().outcome == "busy"
            with pytest.raises(LedgerBusyError):
                writer.expire(NOON)
        database_path(tmp_path).write_text("not a database")
        with pytest.raises(LedgerError, match="cannot open"):
            writer.drain_once()
        database_path(tmp_path).unlink()
        assert writer.drain_once().rows == 1
