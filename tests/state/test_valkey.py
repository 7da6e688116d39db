"""What only the shared store has to hold: many processes, lost workers, a server that goes."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import uuid
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from omniroute.errors import StateError
from omniroute.state.embedded import EmbeddedValkey
from omniroute.state.link import Link
from omniroute.state.store import Balance, Fresh, Reservation, Taken
from omniroute.state.valkey import LEASE_S, ValkeyStore
from tests.clock import ManualClock
from tests.state.stores import (
    NOW_S,
    SPACE,
    budget,
    granted,
    requests,
    reservation,
    short,
    slot,
    until,
)

START = datetime.fromtimestamp(NOW_S, UTC)


@pytest.fixture
async def pair(valkey_server: EmbeddedValkey) -> AsyncGenerator[tuple[ValkeyStore, ValkeyStore]]:
    prefix = uuid.uuid4().hex
    one = ValkeyStore(valkey_server.url, prefix=prefix, clock=ManualClock(START))
    two = ValkeyStore(valkey_server.url, prefix=prefix, clock=ManualClock(START))
    yield one, two
    await one.close()
    await two.close()


async def test_two_workers_share_everything(pair: tuple[ValkeyStore, ValkeyStore]) -> None:
    one, two = pair
    taken = granted(await one.take(reservation(requests(1), slot(1), budget(100, 60)), NOW_S))
    assert short(await two.take(reservation(requests(1)), NOW_S)).used == 1
    assert short(await two.take(reservation(slot(1)), NOW_S)).used == 1
    await one.settle(taken, now_s=NOW_S, cost_nanousd=30)
    assert await two.balances(("budget|b",)) == (Balance(30, 0),)
    await one.put(SPACE, "a", b"1", ttl_s=10, now_s=NOW_S)
    assert await two.get(SPACE, "a", NOW_S) == b"1"


async def test_a_dead_workers_claim_lapses(pair: tuple[ValkeyStore, ValkeyStore]) -> None:
    dead, alive = pair
    taken = granted(await dead.take(reservation(slot(1), budget(100, 60)), NOW_S))
    later_s = NOW_S + LEASE_S
    short(await alive.take(reservation(slot(1)), later_s - 1))
    granted(await alive.take(reservation(slot(1), budget(100, 10)), later_s + 1))
    assert await alive.balances(("budget|b",)) == (Balance(60, 10),)
    # It was only cut off: what it settles in the end replaces the charged estimate.
    await dead.settle(taken, now_s=later_s + 2, cost_nanousd=20)
    assert await alive.balances(("budget|b",)) == (Balance(20, 10),)


async def test_a_dead_workers_claim_without_a_price_lapses(
    pair: tuple[ValkeyStore, ValkeyStore],
) -> None:
    dead, alive = pair
    granted(await dead.take(reservation(budget(100, 0)), NOW_S))
    granted(await alive.take(reservation(budget(100, 10)), NOW_S + LEASE_S + 1))
    assert await alive.balances(("budget|b",)) == (Balance(0, 10),)


async def test_a_renewed_lease_does_not_lapse(valkey_server: EmbeddedValkey) -> None:
    clock = ManualClock(START)
    store = ValkeyStore(valkey_server.url, prefix=uuid.uuid4().hex, clock=clock)
    granted(await store.take(reservation(slot(1), budget(100, 60)), NOW_S))
    clock.advance(LEASE_S - 5)
    await store.renew()
    short(await store.take(reservation(slot(1)), NOW_S + LEASE_S + 10))
    await store.close()


def hammer(
    url: str, prefix: str, at_once: int, wanted: Reservation, results: multiprocessing.Queue[int]
) -> None:
    async def run() -> int:
        store = ValkeyStore(url, prefix=prefix)
        admitted = 0

        async def one() -> int:
            taken = await store.take(wanted, NOW_S)
            if not isinstance(taken, Taken):
                return 0
            await store.settle(taken, now_s=NOW_S, cost_nanousd=None)
            return 1

        for _ in range(10):
            admitted += sum(await asyncio.gather(*(one() for _ in range(at_once))))
        await store.close()
        return admitted

    results.put(asyncio.run(run()))


@pytest.mark.parametrize(
    ("wanted", "most"),
    [
        pytest.param(reservation(requests(100)), 100, id="100 requests per minute"),
        pytest.param(
            reservation(budget(1_000_000_000, 30_000_000)), 33, id="one dollar, 3 cents each"
        ),
    ],
)
def test_eight_processes_never_pass_a_limit(
    valkey_server: EmbeddedValkey, wanted: Reservation, most: int
) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[int] = context.Queue()
    prefix = uuid.uuid4().hex
    workers = [
        context.Process(target=hammer, args=(valkey_server.url, prefix, 5, wanted, results))
        for _ in range(8)
    ]
    for worker in workers:
        worker.start()
    admitted = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(60)
    assert sum(admitted) == most


async def test_each_promise_fails_in_its_own_way_while_the_server_is_away(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    store = ValkeyStore(server.url)
    before = granted(await store.take(reservation(budget(100, 60)), NOW_S))
    server.close()

    assert short(await store.take(reservation(requests(2), budget(100, 1)), NOW_S)).away
    assert not store.available
    local = granted(
        await store.take(reservation(requests(2), budget(100, 1, enforce=False)), NOW_S)
    )
    granted(await store.take(reservation(requests(2)), NOW_S))
    assert short(await store.take(reservation(requests(2)), NOW_S)).used == 2
    await store.put(SPACE, "a", b"1", ttl_s=10, now_s=NOW_S)
    assert await store.get(SPACE, "a", NOW_S) is None
    assert isinstance(await store.begin("n", "h", window_s=5, now_s=NOW_S), Fresh)
    assert await store.settle(before, now_s=NOW_S, cost_nanousd=50) == ()
    await store.settle(local, now_s=NOW_S, cost_nanousd=7)

    again = EmbeddedValkey(tmp_path)

    async def flushed() -> bool:
        try:
            await store.flush()
        except StateError:
            return False
        return True

    await until(flushed)
    assert await store.balances(("budget|b",)) == (Balance(57, 0),)
    assert store.available
    assert short(await store.take(reservation(budget(100, 44)), NOW_S)).used == 57
    await store.close()
    again.close()


@pytest.mark.parametrize(
    ("full", "well"),
    [
        pytest.param(("maxmemory", "1"), ("maxmemory", "0"), id="its memory is full"),
        pytest.param(
            ("min-replicas-to-write", "1"), ("min-replicas-to-write", "0"), id="a replica is lost"
        ),
    ],
)
async def test_a_server_that_takes_no_writes_is_away(
    tmp_path: Path, full: tuple[str, str], well: tuple[str, str]
) -> None:
    server = EmbeddedValkey(tmp_path)
    store = ValkeyStore(server.url)
    operator = Link(server.url)
    taken = granted(await store.take(reservation(budget(100, 60)), NOW_S))
    await operator.command("CONFIG", "SET", *full)
    assert short(await store.take(reservation(budget(100, 1)), NOW_S)).away
    granted(await store.take(reservation(requests(2)), NOW_S))
    assert await store.settle(taken, now_s=NOW_S, cost_nanousd=50) == ()
    await operator.command("CONFIG", "SET", *well)

    async def counted() -> bool:
        try:
            await store.flush()
        except StateError:
            return False
        return await store.balances(("budget|b",)) == (Balance(50, 0),)

    await until(counted)
    granted(await store.take(reservation(budget(100, 50)), NOW_S))
    await operator.close()
    await store.close()
    server.close()


async def test_a_killed_server_comes_back_by_itself_with_what_it_knew(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    store = ValkeyStore(server.url)
    taken = granted(await store.take(reservation(requests(1), budget(100, 60)), NOW_S))
    await store.settle(taken, now_s=NOW_S, cost_nanousd=60)
    pid = server.pid
    os.kill(pid, signal.SIGKILL)

    async def is_back() -> bool:
        return server.pid != pid and await store.balances(("budget|b",)) == (Balance(60, 0),)

    await until(is_back)
    assert short(await store.take(reservation(requests(1)), NOW_S)).used == 1
    await store.close()
    server.close()


async def test_a_client_that_leaves_while_taking_leaves_nothing_behind(
    pair: tuple[ValkeyStore, ValkeyStore],
) -> None:
    store, other = pair
    wanted = reservation(slot(1), budget(100, 60))
    await store.take(reservation(requests(1)), NOW_S)
    leaving = asyncio.get_running_loop().create_task(store.take(wanted, NOW_S))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    await store.flush()
    granted(await other.take(wanted, NOW_S))
    assert await other.balances(("budget|b",)) == (Balance(0, 60),)


async def test_maintenance_outlives_an_absent_server(tmp_path: Path) -> None:
    store = ValkeyStore(f"unix://{tmp_path}/nobody.sock")
    short(await store.take(reservation(budget(1, 1)), NOW_S))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(store.maintain(), 1.5)
    await store.close()
