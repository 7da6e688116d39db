from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from omniroute.errors import LedgerError
from omniroute.ledger.record import parse_line, render_line
from omniroute.ledger.spool import Spool, segments, spool_dir
from tests.ledger.processes import run_python, running_python
from tests.ledger.rows import row

NEVER = 3600.0  # the test says when to sync


def ids(data_dir: Path) -> list[str]:
    return [
        parse_line(line).request_id
        for segment in segments(data_dir)
        for line in segment.read_bytes().splitlines()
    ]


def test_what_was_appended_is_readable_at_once(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        assert spool.append(row("a"))
        assert spool.append(row("b"))
        assert ids(tmp_path) == ["a", "b"]
        assert spool.stats.appended == 2


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    data_dir = tmp_path / "deep" / "data"
    with Spool(data_dir) as spool:
        spool.append(row())
        modes = [path.stat().st_mode & 0o777 for path in (data_dir, spool_dir(data_dir))]
        assert modes == [0o700, 0o700]
        assert [path.stat().st_mode & 0o777 for path in segments(data_dir)] == [0o600]


def test_a_full_segment_gives_way_to_the_next(tmp_path: Path) -> None:
    two = 2 * len(render_line(row("r0")))
    with Spool(tmp_path, max_segment_bytes=two, sync_interval_s=NEVER) as spool:
        for n in range(5):
            spool.append(row(f"r{n}"))
        spool.sync()
        assert len(segments(tmp_path)) == 3
    assert ids(tmp_path) == [f"r{n}" for n in range(5)]


def test_workers_and_restarts_never_share_a_segment(tmp_path: Path) -> None:
    with Spool(tmp_path, worker="w0") as first, Spool(tmp_path, worker="w0") as second:
        first.append(row("a"))
        second.append(row("b"))
    with Spool(tmp_path, worker="w0") as third:
        third.append(row("c"))
    assert sorted(ids(tmp_path)) == ["a", "b", "c"]
    assert len(segments(tmp_path)) == 3


def test_a_spool_that_nobody_drains_stops_growing_and_recovers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    size = len(render_line(row("r0")))
    caplog.set_level(logging.WARNING, "omniroute.ledger")
    with Spool(
        tmp_path, max_segment_bytes=size, max_total_bytes=2 * size, sync_interval_s=NEVER
    ) as spool:
        written = [spool.append(row(f"r{n}")) for n in range(5)]
        assert written == [True, True, False, False, False]
        assert spool.stats.dropped == 3
        segments(tmp_path)[0].unlink()
        spool.sync()
        assert spool.append(row("r5"))
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "usage records are being dropped: the spool has reached its limit; is the drainer running?",
        "usage records are written again; 3 were dropped",
    ]


FILL_UP = """
import resource, signal, sys
from pathlib import Path
from omniroute.ledger.spool import Spool
from tests.ledger.rows import row
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
with Spool(Path(sys.argv[1])) as spool:
    kept = sum(spool.append(row(f"r{n}")) for n in range(40))
    print(kept, spool.stats.dropped)
"""


def test_a_disk_that_fills_up_costs_records_but_tears_nothing(tmp_path: Path) -> None:
    """A limit on the file's size makes write(2) come up short, as a full disk does."""
    kept, dropped = map(int, run_python(FILL_UP, tmp_path).split())
    assert 0 < kept < 40
    assert kept + dropped == 40
    assert ids(tmp_path) == [f"r{n}" for n in range(kept)]


APPEND_FOREVER = """
import itertools, sys
from pathlib import Path
from omniroute.ledger.spool import Spool
from tests.ledger.rows import row
spool = Spool(Path(sys.argv[1]), max_segment_bytes=4096)
for n in itertools.count():
    spool.append(row(f"r{n}"))
    print(f"r{n}", flush=True)
"""


def test_a_killed_process_loses_nothing_it_had_appended(tmp_path: Path) -> None:
    with running_python(APPEND_FOREVER, tmp_path) as process:
        assert process.stdout is not None
        answered = [process.stdout.readline() for _ in range(50)]
        process.kill()
        answered += process.stdout.readlines()
    seen = ids(tmp_path)
    assert len(seen) == len(set(seen))
    assert {line.strip() for line in answered} <= set(seen)


def test_a_removed_folder_is_made_again(tmp_path: Path) -> None:
    with Spool(tmp_path / "data", sync_interval_s=NEVER) as spool:
        spool.append(row("a"))
        shutil.rmtree(tmp_path / "data")
        spool.sync()
        assert spool.append(row("b"))
        assert ids(tmp_path / "data") == ["b"]


def test_after_close_nothing_is_written(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.close()
    spool.close()
    assert spool.append(row()) is False
    assert ids(tmp_path) == []


def test_a_place_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot write"):
        Spool(tmp_path / "file")
