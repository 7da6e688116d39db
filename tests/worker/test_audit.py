"""The audit log: what is kept of a change, and that nothing in it can be changed unseen."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from omniroute.cli.main import cli
from omniroute.worker.audit import AUDIT_FILE, AuditEntry, AuditLog, differences

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


def entry(after: str, target: str = "PUT /api/keys/ci") -> AuditEntry:
    return AuditEntry(
        time=NOW,
        action="config.change",
        actor="key:root",
        target=target,
        changes=tuple(differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2}, "d": [4]})),
        digest_before="before",
        digest_after=after,
    )


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path)


def test_entries_are_read_newest_first_and_by_pages(log: AuditLog) -> None:
    for number in range(1, 8):
        log.append(entry(f"d{number}", "x" * 20_000))  # more than one block
    assert [one.digest_after for one in log.newest(limit=3)] == ["d7", "d6", "d5"]
    assert [one.id for one in log.newest(limit=3, before=3)] == [2, 1]
    assert log.newest(limit=1)[0].changes[0].path == "a.b"
    assert log.verify() == (7, None)


def test_a_state_that_is_known_is_not_told_again(log: AuditLog) -> None:
    log.append(entry("one"))
    log.note_state(entry("one"))
    log.note_state(entry("two"))
    found = log.newest(limit=9)
    assert [(one.digest_before, one.digest_after) for one in found] == [
        ("one", "two"),
        ("before", "one"),
    ]


def _changed(lines: list[bytes]) -> list[bytes]:
    row = json.loads(lines[1])
    row["actor"] = "key:somebody"
    return [lines[0], json.dumps(row).encode() + b"\n", *lines[2:]]


HARMS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "changed": _changed,
    "taken out": lambda lines: [lines[0], *lines[2:]],
    "exchanged": lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
    "put in twice": lambda lines: [lines[0], lines[0], *lines[1:]],
    "no entry": lambda lines: [lines[0], b"{}\n", *lines[1:]],
    "cut in the middle": lambda lines: [*lines[:-1], lines[-1][:40]],
    "without the first": lambda lines: lines[1:],
}


@pytest.mark.parametrize("harm", HARMS)
def test_what_was_done_to_it_is_seen(log: AuditLog, tmp_path: Path, harm: str) -> None:
    for number in range(4):
        log.append(entry(f"d{number}"))
    file = tmp_path / AUDIT_FILE
    file.write_bytes(b"".join(HARMS[harm](file.read_bytes().splitlines(keepends=True))))
    count, wrong = log.verify()
    assert (count < 4, wrong is not None) == (True, True)
    told = CliRunner().invoke(cli, ["audit", "verify", "--data-dir", str(tmp_path)])
    assert told.exit_code == 1


def test_half_an_entry_of_a_crash_is_cut_off(log: AuditLog, tmp_path: Path) -> None:
    log.append(entry("one"))
    file = tmp_path / AUDIT_FILE
    file.write_bytes(file.read_bytes() + b'{"id": 2, "time": "20')
    assert [one.id for one in log.newest(limit=9)] == [1]
    log.append(entry("two"))
    assert log.verify() == (2, None)


def test_several_who_write_make_one_chain(log: AuditLog) -> None:
    entries = [entry(f"d{number}") for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(log.append, entries))
    assert log.verify() == (40, None)


def test_verify_says_the_last_hash(log: AuditLog, tmp_path: Path) -> None:
    empty = CliRunner().invoke(cli, ["audit", "verify", "--data-dir", str(tmp_path)])
    assert (empty.exit_code, empty.output) == (0, "0 entries, all whole\n")
    log.append(entry("one"))
    told = CliRunner().invoke(cli, ["audit", "verify", "--data-dir", str(tmp_path)])
    assert told.output == f"1 entries, all whole; the last is {log.newest(limit=1)[0].hash}\n"
    assert (tmp_path / AUDIT_FILE).stat().st_mode & 0o777 == 0o600
