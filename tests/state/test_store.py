"""The contract of a store; every store passes the same tests."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator

import pytest

from omniroute.state.embedded import EmbeddedValkey
from omniroute.state.memory import MemoryStore
from omniroute.state.store import Balance, Fresh, Mismatch, Repeat, Space, Spent, Store
from omniroute.state.valkey import ValkeyStore
from tests.state.stores import (
    NOW_S,
    SPACE,
    budget,
    granted,
    requests,
    reservation,
    short,
    slot,
    tokens,
)


@pytest.fixture(params=["memory", "valkey"])
async def store(request: pytest.FixtureRequest) -> AsyncGenerator[Store]:
    if request.param == "memory":
        made = MemoryStore()
    else:
        server: EmbeddedValkey = request.getfixturevalue("valkey_server")
        made = ValkeyStore(server.url, prefix=uuid.uuid4().hex)
    yield made
    await made.close()


async def test_a_window_holds_no_more_than_its_limit(store: Store) -> None:
    wanted = reservation(requests(3))
    for second in range(3):
        granted(await store.take(wanted, NOW_S + second))
    shortage = short(await store.take(wanted, NOW_S + 3))
    assert (shortage.take, shortage.used) == (requests(3), 3)
    assert shortage.retry_after_s == pytest.approx(57.0)
    assert short(await store.take(wanted, NOW_S + 59.9)).retry_after_s == pytest.approx(0.1)
    granted(await store.take(wanted, NOW_S + 60))
    short(await store.take(wanted, NOW_S + 60.5))
    granted(await store.take(wanted, NOW_S + 61))


async def test_a_burst_comes_back_after_one_window_and_not_later(store: Store) -> None:
    wanted = reservation(requests(100))
    for index in range(100):
        granted(await store.take(wanted, NOW_S + index / 200))
    assert short(await store.take(wanted, NOW_S + 0.5)).retry_after_s == pytest.approx(59.995)
    for index in range(100):
        granted(await store.take(wanted, NOW_S + 60.5 + index / 200))


async def test_nothing_is_taken_when_one_part_is_short(store: Store) -> None:
    granted(await store.take(reservation(slot(1)), NOW_S))
    both = reservation(requests(1), slot(1), budget(100, 60))
    assert short(await store.take(both, NOW_S)).take == slot(1)
    granted(await store.take(reservation(requests(1), budget(100, 60)), NOW_S))
    assert short(await store.take(reservation(budget(100, 60)), NOW_S)).used == 60


async def test_tokens_are_corrected_when_settled(store: Store) -> None:
    first = granted(await store.take(reservation(tokens(1000, 900)), NOW_S))
    assert short(await store.take(reservation(tokens(1000, 200)), NOW_S)).used == 900
    await store.settle(first, now_s=NOW_S + 1, tokens=100, cost_nanousd=None)
    second = granted(await store.take(reservation(tokens(1000, 900)), NOW_S + 1))
    await store.settle(second, now_s=NOW_S + 2, tokens=1500, cost_nanousd=None)
    assert short(await store.take(reservation(tokens(1000, 1)), NOW_S + 2)).used == 1600


async def test_more_than_the_limit_itself_never_fits(store: Store) -> None:
    shortage = short(await store.take(reservation(tokens(1000, 1001)), NOW_S))
    assert (shortage.used, shortage.retry_after_s) == (0, None)


async def test_settling_late_changes_nothing_that_has_left_the_window(store: Store) -> None:
    first = granted(await store.take(reservation(tokens(1000, 900)), NOW_S))
    granted(await store.take(reservation(tokens(1000, 900)), NOW_S + 61))
    await store.settle(first, now_s=NOW_S + 62, tokens=0, cost_nanousd=None)
    assert short(await store.take(reservation(tokens(1000, 200)), NOW_S + 62)).used == 900


async def test_slots_come_back_once(store: Store) -> None:
    held = [granted(await store.take(reservation(slot(2)), NOW_S)) for _ in range(2)]
    assert short(await store.take(reservation(slot(2)), NOW_S)).used == 2
    for _ in range(3):
        await store.settle(held[0], now_s=NOW_S, cost_nanousd=None)
    granted(await store.take(reservation(slot(2)), NOW_S))
    short(await store.take(reservation(slot(2)), NOW_S))


async def test_a_budget_counts_what_is_spent_and_reserved(store: Store) -> None:
    first = granted(await store.take(reservation(budget(100, 60)), NOW_S))
    assert short(await store.take(reservation(budget(100, 41)), NOW_S)).used == 60
    second = granted(await store.take(reservation(budget(100, 40)), NOW_S))
    assert await store.settle(first, now_s=NOW_S, cost_nanousd=10) == (
        Spent(take=budget(100, 60), before_nanousd=0, after_nanousd=10),
    )
    assert await store.settle(second, now_s=NOW_S, cost_nanousd=None) == (
        Spent(take=budget(100, 40), before_nanousd=10, after_nanousd=50),
    )
    assert await store.settle(second, now_s=NOW_S, cost_nanousd=None) == ()
    assert await store.balances(("budget|b", "budget|?")) == (Balance(50, 0), Balance(0, 0))


async def test_a_used_up_budget_refuses_also_what_has_no_price(store: Store) -> None:
    free = reservation(budget(100, 0))
    granted(await store.take(free, NOW_S))
    granted(await store.take(reservation(budget(100, 100)), NOW_S))
    short(await store.take(free, NOW_S))


async def test_what_costs_nothing_is_reserved_and_settled(store: Store) -> None:
    free = granted(await store.take(reservation(budget(100, 0)), NOW_S))
    (moved,) = await store.settle(free, now_s=NOW_S, cost_nanousd=0)
    assert (moved.before_nanousd, moved.after_nanousd) == (0, 0)
    assert await store.balances(("budget|b",)) == (Balance(0, 0),)


async def test_a_budget_that_does_not_enforce_only_counts(store: Store) -> None:
    warn = reservation(budget(100, 80, enforce=False))
    for _ in range(2):
        granted(await store.take(warn, NOW_S))
    assert await store.balances(("budget|b",)) == (Balance(0, 160),)


async def test_spend_is_restored_from_the_ledger(store: Store) -> None:
    await store.restore({"budget|b": 70}, expires_at_s=NOW_S + 1e6, overwrite=False)
    await store.restore({"budget|b": 20}, expires_at_s=NOW_S + 1e6, overwrite=False)
    assert short(await store.take(reservation(budget(100, 31)), NOW_S)).used == 70
    await store.restore({"budget|b": 20}, expires_at_s=None, overwrite=True)
    granted(await store.take(reservation(budget(100, 31)), NOW_S))


async def test_parallel_claims_do_not_pass_each_other(store: Store) -> None:
    wanted = reservation(requests(10), budget(100, 9))
    results = await asyncio.gather(*(store.take(wanted, NOW_S) for _ in range(50)))
    assert sum(not hasattr(result, "take") for result in results) == 10


async def test_kept_values_expire_and_can_be_deleted(store: Store) -> None:
    await store.put(SPACE, "a", b"1", ttl_s=10, now_s=NOW_S)
    await store.put(SPACE, "b", b"2", ttl_s=100, now_s=NOW_S)
    assert await store.get(SPACE, "a", NOW_S + 9) == b"1"
    assert await store.get(SPACE, "a", NOW_S + 10) is None
    await store.delete(SPACE, "b")
    assert await store.get(SPACE, "b", NOW_S) is None


async def test_a_full_space_forgets_what_was_used_longest_ago(store: Store) -> None:
    for index, key in enumerate("abc"):
        await store.put(SPACE, key, key.encode(), ttl_s=100, now_s=NOW_S + index)
    assert await store.get(SPACE, "a", NOW_S + 4) == b"a"
    await store.put(SPACE, "d", b"d", ttl_s=100, now_s=NOW_S + 5)
    found = [await store.get(SPACE, key, NOW_S + 6) for key in "abcd"]
    assert found == [b"a", None, b"c", b"d"]
    assert (await store.stats(SPACE)).evictions == 1


async def test_a_space_is_bounded_in_bytes(store: Store) -> None:
    await store.put(SPACE, "a", b"x" * 600, ttl_s=100, now_s=NOW_S)
    await store.put(SPACE, "b", b"x" * 600, ttl_s=100, now_s=NOW_S + 1)
    await store.put(SPACE, "c", b"x" * 2000, ttl_s=100, now_s=NOW_S + 2)
    found = [await store.get(SPACE, key, NOW_S + 3) for key in "abc"]
    assert found == [None, b"x" * 600, None]
    stats = await store.stats(SPACE)
    assert (stats.entries, stats.size_bytes, stats.hits, stats.misses) == (1, 601, 1, 2)


async def test_spaces_do_not_see_each_other(store: Store) -> None:
    other = Space(name="recall", max_entries=3, max_bytes=1000)
    await store.put(SPACE, "a", b"1", ttl_s=10, now_s=NOW_S)
    assert await store.get(other, "a", NOW_S) is None
    assert await store.clear(SPACE) == 1
    assert await store.get(SPACE, "a", NOW_S) is None
    assert (await store.stats(SPACE)).size_bytes == 0


async def begin(store: Store, body: str = "h", at_s: float = NOW_S) -> object:
    return await store.begin("k|name", body, window_s=5, now_s=at_s)


async def test_a_repeat_gets_the_first_answer_within_the_window(store: Store) -> None:
    first = await begin(store)
    assert isinstance(first, Fresh)
    assert await begin(store, "other") == Mismatch()
    await store.finish("k|name", first.token, b"answer", window_s=5, now_s=NOW_S)
    assert await begin(store, at_s=NOW_S + 4) == Repeat(b"answer")
    assert await begin(store, "other", at_s=NOW_S + 4) == Mismatch()
    assert await store.repeats(NOW_S + 4) == 1
    assert isinstance(await begin(store, at_s=NOW_S + 5), Fresh)


async def test_a_repeat_waits_for_the_running_one(store: Store) -> None:
    first = await begin(store)
    assert isinstance(first, Fresh)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        waiting = [group.create_task(begin(store)) for _ in range(3)]
        await asyncio.sleep(0)
        await store.finish("k|name", first.token, b"answer", window_s=5, now_s=NOW_S)
    assert [task.result() for task in waiting] == [Repeat(b"answer")] * 3


async def test_when_the_first_one_fails_one_of_the_waiting_goes_on(store: Store) -> None:
    first = await begin(store)
    assert isinstance(first, Fresh)

    async def go_on() -> bool:
        begun = await begin(store)
        if isinstance(begun, Fresh):
            await store.finish("k|name", begun.token, b"second", window_s=5, now_s=NOW_S)
            return True
        assert begun == Repeat(b"second")
        return False

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        waiting = [group.create_task(go_on()) for _ in range(4)]
        await asyncio.sleep(0)
        await store.finish("k|name", first.token, None, window_s=5, now_s=NOW_S)
    assert sum(task.result() for task in waiting) == 1


async def test_looking_at_kept_values_is_no_use_of_them(store: Store) -> None:
    for number, key in enumerate("abc"):
        await store.put(SPACE, key, key.encode(), ttl_s=10 + number, now_s=NOW_S + number)
    assert {"b", "c"} <= set(await store.names(SPACE, NOW_S + 1))
    assert await store.peek(SPACE, ("a", "b", "x"), NOW_S + 3) == {"a": b"a", "b": b"b"}
    assert await store.peek(SPACE, ("a", "b"), NOW_S + 10.5) == {"b": b"b"}
    stats = await store.stats(SPACE)
    assert (stats.hits, stats.misses) == (0, 0)
    await store.put(SPACE, "d", b"d", ttl_s=10, now_s=NOW_S + 4)
    assert await store.peek(SPACE, ("a", "b"), NOW_S + 4) == {"b": b"b"}
