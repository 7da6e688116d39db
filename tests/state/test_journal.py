"""The journal: lines survive what a disk does to them, and the store survives the disk."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest

from omniroute.state.journal import BudgetLine, Journal, Line, SettledLine
from omniroute.state.memory import MemoryStore
from tests.state.stores import NOW_S, granted, requests, reservation, short


def line(number: int) -> Line:
    return SettledLine(f"{number}", NOW_S, None, number)


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    assert journal.read() == []
    journal.rewrite([BudgetLine("b", 1, None)])
    journal.append(line(1))
    journal.close()
    assert Journal(tmp_path / "j").read() == [BudgetLine("b", 1, None), line(1)]


@pytest.mark.parametrize("damage", [b"{", b"\x00\xff", b'{"do":"take"}', b"[]"])
def test_a_damaged_line_does_not_take_others_along(tmp_path: Path, damage: bytes) -> None:
    journal = Journal(tmp_path / "j")
    journal.rewrite([line(1), line(2)])
    journal.close()
    first, second = (tmp_path / "j").read_bytes().splitlines()
    (tmp_path / "j").write_bytes(first + b"\n" + damage + b"\n" + second + b"\n")
    assert Journal(tmp_path / "j").read() == [line(1), line(2)]


async def test_a_full_disk_does_not_refuse_requests(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore(tmp_path)
    granted(await store.take(reservation(requests(4)), NOW_S))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        for _ in range(2):
            granted(await store.take(reservation(requests(4)), NOW_S))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    granted(await store.take(reservation(requests(4)), NOW_S))
    short(await store.take(reservation(requests(4)), NOW_S))
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "the state journal cannot be written: File too large",
        "the state journal can be written again",
    ]
    again = MemoryStore(tmp_path)
    assert short(await again.take(reservation(requests(2)), NOW_S)).used == 2
    await again.close()


async def test_closing_on_a_full_disk_keeps_what_was_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore(tmp_path)
    for _ in range(3):
        granted(await store.take(reservation(requests(4)), NOW_S))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        await store.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert "the state journal cannot be compacted" in caplog.text
    again = MemoryStore(tmp_path)
    assert short(await again.take(reservation(requests(2)), NOW_S)).used == 3
    await again.close()
