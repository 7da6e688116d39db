"""A connection's queue: how many at once, how many a minute, how far apart, in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from omniroute.config.model import Queue
from omniroute.routing.queue import MAX_WAITING, ConnectionQueue, Full, Go, Ticket


def test_without_bounds_everything_goes_at_once() -> None:
    queue = ConnectionQueue()
    assert [queue.reserve(Queue(), 5.0) for _ in range(3)] == [Go(5.0)] * 3
    assert queue.in_flight == 3


def test_places_are_given_in_order_of_arrival() -> None:
    queue, settings = ConnectionQueue(), Queue(max_concurrent=1)
    assert queue.reserve(settings, 0.0) == Go(0.0)
    tickets = [queue.reserve(settings, 0.0) for _ in range(3)]
    woken: list[int] = []
    for at, ticket in enumerate(tickets):
        assert isinstance(ticket, Ticket)
        ticket.wake = lambda at=at: woken.append(at)
    for _ in range(3):
        queue.release()
    assert woken == [0, 1, 2]
    assert queue.in_flight == 1
    queue.release()
    assert queue.in_flight == 0


def test_leaving_the_line_passes_the_place_on() -> None:
    queue, settings = ConnectionQueue(), Queue(max_concurrent=1)
    queue.reserve(settings, 0.0)
    first, second = queue.reserve(settings, 0.0), queue.reserve(settings, 0.0)
    assert isinstance(first, Ticket)
    assert isinstance(second, Ticket)
    queue.release()
    queue.withdraw(first)
    assert second.granted
    queue.withdraw(second)
    assert (queue.in_flight, queue.queued) == (0, 0)


def test_newcomers_do_not_overtake() -> None:
    queue, settings = ConnectionQueue(), Queue(max_concurrent=1)
    queue.reserve(settings, 0.0)
    queue.reserve(settings, 0.0)
    queue.release()
    assert isinstance(queue.reserve(settings, 0.0), Ticket)


def test_a_line_that_is_too_long_refuses() -> None:
    queue, settings = ConnectionQueue(), Queue(max_concurrent=1)
    for _ in range(MAX_WAITING + 1):
        queue.reserve(settings, 0.0)
    assert isinstance(queue.reserve(settings, 0.0), Full)


def test_gap_and_longest_wait() -> None:
    queue, settings = ConnectionQueue(), Queue(min_gap_s=1.0, max_wait_s=2.0)
    assert [queue.reserve(settings, 0.0) for _ in range(4)] == [
        Go(0.0),
        Go(1.0),
        Go(2.0),
        Full(3.0),
    ]
    assert queue.in_flight == 3


@given(st.integers(1, 20), st.lists(st.floats(0.0, 30.0), max_size=80))
def test_never_more_than_so_many_in_any_minute(per_minute: int, waits_s: list[float]) -> None:
    queue = ConnectionQueue()
    settings = Queue(requests_per_minute=per_minute, max_wait_s=1e9)
    now_s, starts_s = 0.0, list[float]()
    for wait_s in waits_s:
        now_s += wait_s
        step = queue.reserve(settings, now_s)
        assert isinstance(step, Go)
        assert step.at_s >= now_s
        starts_s.append(step.at_s)
    for at, start_s in enumerate(starts_s):
        later = starts_s[at + per_minute : at + per_minute + 1]
        assert all(other_s - start_s >= 60.0 - 1e-6 for other_s in later)


def test_has_room_agrees_with_reserve() -> None:
    queue, settings = ConnectionQueue(), Queue(requests_per_minute=2, max_wait_s=100.0)
    for now_s in (0.0, 1.0):
        assert queue.has_room(settings, now_s)
        queue.reserve(settings, now_s)
    assert not queue.has_room(settings, 2.0)
    assert queue.has_room(settings, 60.0)
