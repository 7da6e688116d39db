"""What the memory store keeps: across a clean restart, and when the process was killed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from msgspec.structs import replace

from omniroute.state.memory import REPEATS, MemoryStore
from omniroute.state.store import Balance, Fresh, Repeat, Shortage, Space
from tests.state.stores import NOW_S, budget, granted, requests, reservation, short, slot, tokens

KEPT = Space(name="cache", max_entries=10, max_bytes=1000, persist=True)


async def test_limits_and_budgets_survive_a_kill(tmp_path: Path) -> None:
    killed = MemoryStore(tmp_path)
    settled = granted(await killed.take(reservation(requests(2), budget(100, 60)), NOW_S))
    await killed.settle(settled, now_s=NOW_S + 1, cost_nanousd=5)
    granted(await killed.take(reservation(requests(2), slot(1), budget(100, 40)), NOW_S + 1))

    again = MemoryStore(tmp_path)
    assert short(await again.take(reservation(requests(2)), NOW_S + 2)).used == 2
    # The running request may have been paid for: charged as estimated, its slot is free again.
    assert await again.balances(("budget|b",)) == (Balance(45, 0),)
    granted(await again.take(reservation(slot(1)), NOW_S + 2))
    await again.close()

    third = MemoryStore(tmp_path)
    assert await third.balances(("budget|b",)) == (Balance(45, 0),)
    await third.close()


async def test_a_line_cut_by_the_crash_does_not_hide_the_others(tmp_path: Path) -> None:
    killed = MemoryStore(tmp_path)
    granted(await killed.take(reservation(tokens(100, 60)), NOW_S))
    journal = tmp_path / "state.journal"
    journal.write_bytes(journal.read_bytes() + b'{"do":"take","id"')
    again = MemoryStore(tmp_path)
    assert short(await again.take(reservation(tokens(100, 60)), NOW_S)).used == 60
    await again.close()


async def test_windows_of_many_addresses_have_a_bound() -> None:
    store = MemoryStore(max_windows=80)
    for number in range(500):
        for key in (f"ip:{number}", "steady"):
            granted(await store.take(reservation(requests(1000, key=key)), NOW_S + number / 10))
    assert await _is_counted(store, "steady")
    assert await _is_counted(store, "ip:499")
    assert sum([await _is_counted(store, f"ip:{number}") for number in range(500)]) <= 80


async def _is_counted(store: MemoryStore, key: str) -> bool:
    """Whether what was taken of a window of 1000 is still known."""
    whole = replace(requests(1000, key=key), cost=1000)
    return isinstance(await store.take(reservation(whole), NOW_S + 50), Shortage)


async def test_answers_for_repeats_have_a_bound_in_bytes() -> None:
    store = MemoryStore()
    size, count = 4 << 20, 40
    assert size * count > REPEATS.max_bytes
    for number in range(count):
        name = f"k|{number}"
        begun = await store.begin(name, "h", window_s=3600, now_s=NOW_S)
        assert isinstance(begun, Fresh)
        await store.finish(name, begun.token, bytes(size), window_s=3600, now_s=NOW_S)
    left = await store.repeats(NOW_S)
    assert 0 < left * size <= REPEATS.max_bytes
    last, first = f"k|{count - 1}", "k|0"
    assert await store.begin(last, "h", window_s=3600, now_s=NOW_S) == Repeat(bytes(size))
    assert isinstance(await store.begin(first, "h", window_s=3600, now_s=NOW_S), Fresh)


async def _keep_one(folder: Path) -> None:
    store = MemoryStore(folder)
    await store.put(KEPT, "a", b"1", ttl_s=100, now_s=NOW_S)
    await store.close()


async def test_a_clean_shutdown_keeps_what_is_to_be_kept(tmp_path: Path) -> None:
    store = MemoryStore(tmp_path)
    await store.put(KEPT, "a", b"1", ttl_s=100, now_s=NOW_S)
    passing = Space(name="recall", max_entries=10, max_bytes=1000)
    await store.put(passing, "a", b"1", ttl_s=100, now_s=NOW_S)
    await store.close()
    again = MemoryStore(tmp_path)
    assert await again.get(KEPT, "a", NOW_S) == b"1"
    assert await again.get(passing, "a", NOW_S) is None
    await again.close()


async def test_damaged_files_start_empty(tmp_path: Path) -> None:
    (tmp_path / "kept.msgpack").write_bytes(b"\xff\x00")
    (tmp_path / "state.journal").write_bytes(b"\x00" * 100)
    store = MemoryStore(tmp_path)
    assert await store.get(KEPT, "a", NOW_S) is None
    await store.close()


async def test_sweeping_forgets_what_has_run_out(tmp_path: Path) -> None:
    store = MemoryStore(tmp_path)
    taken = granted(await store.take(reservation(requests(2), budget(100, 1)), NOW_S))
    store.sweep(NOW_S + 2e6)
    assert await store.balances(("budget|b",)) == (Balance(0, 1),)
    await store.settle(taken, now_s=NOW_S + 2e6, cost_nanousd=1)
    store.sweep(NOW_S + 2e6)
    assert await store.balances(("budget|b",)) == (Balance(0, 0),)
    await store.close()
    assert (tmp_path / "state.journal").read_bytes() == b""


def test_the_files_are_for_the_owner_alone(tmp_path: Path) -> None:
    asyncio.run(_keep_one(tmp_path))
    modes = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir()}
    assert modes == {"state.journal": 0, "kept.msgpack": 0}
    assert msgspec.msgpack.decode((tmp_path / "kept.msgpack").read_bytes())
