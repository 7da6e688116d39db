"""The data folder: one server's at a time, and nobody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from omniroute.errors import ConfigError
from omniroute.worker.folder import LOCK_FILE, hold_folder


def test_what_stood_open_is_closed_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "data"
    for name in ("usage.duckdb", "spool/w0-1.jsonl", "state/appendonlydir/1.aof", "mine.txt"):
        (data / name).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        (data / name).write_text("")
        (data / name).chmod(0o644)
    data.chmod(0o755)
    os.close(hold_folder(data))
    modes = {
        str(path.relative_to(tmp_path)): oct(path.stat().st_mode & 0o777)
        for path in (data, *data.rglob("*"))
    }
    assert modes == {
        "data": "0o700",
        "data/server.lock": "0o600",
        "data/usage.duckdb": "0o600",
        "data/spool": "0o700",
        "data/spool/w0-1.jsonl": "0o600",
        "data/state": "0o700",
        "data/state/appendonlydir": "0o700",
        "data/state/appendonlydir/1.aof": "0o600",
        "data/mine.txt": "0o644",  # not ours, and nobody gets to it through the folder
    }
    assert [row.levelname for row in caplog.records] == ["WARNING"]


def test_a_folder_that_is_shared_on_purpose_is_left_and_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(0o1777)
    os.close(hold_folder(tmp_path))
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777
    assert "not ours to change" in caplog.text


def test_one_holder_at_a_time_and_a_lock_left_behind_is_none(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).write_text("1\n")  # of a process that is long gone, its number reused
    lock = hold_folder(tmp_path)
    with pytest.raises(ConfigError, match=f"another server .process {os.getpid()}."):
        hold_folder(tmp_path)
    inherited = os.dup(lock)
    os.close(lock)
    with pytest.raises(ConfigError, match="another server"):
        hold_folder(tmp_path)
    os.close(inherited)
    os.close(hold_folder(tmp_path))
