"""Sliding windows: never too much within any window, never more memory than promised."""

from __future__ import annotations

from copy import deepcopy

from hypothesis import given
from hypothesis import strategies as st

from omniroute.state.window import MARKS, Window


@given(
    gaps=st.lists(st.floats(0, 30), min_size=1, max_size=200),
    limit=st.integers(1, 20),
)
def test_no_span_of_one_window_holds_more_than_the_limit(gaps: list[float], limit: int) -> None:
    window, now_s = Window(60.0), 1000.0
    admitted = list[float]()
    for gap in gaps:
        now_s += gap
        if window.used(now_s) < limit:
            window.add(now_s, 1)
            admitted.append(now_s)
            inside = [at for at in admitted if at > now_s - 60.0]
            assert len(inside) <= limit
        else:
            wait_s = window.wait_s(now_s, window.total + 1 - limit)
            assert wait_s is not None
            assert 0 <= wait_s <= 60.0
            assert deepcopy(window).used(now_s + wait_s + 1e-6) < limit
    assert len(window.marks) <= MARKS + 1


@given(gaps=st.lists(st.floats(0, 0.5), min_size=100, max_size=400))
def test_memory_does_not_grow_with_the_traffic(gaps: list[float]) -> None:
    window, now_s = Window(10.0), 0.0
    for gap in gaps:
        now_s += gap
        window.used(now_s)
        window.add(now_s, 3)
    assert len(window.marks) <= MARKS + 1
    assert window.total == sum(mark.amount for mark in window.marks)


def test_a_clock_that_goes_back_frees_nothing() -> None:
    window = Window(10.0)
    window.add(100.0, 5)
    window.add(90.0, 5)
    assert window.used(95.0) == 10
    assert window.used(109.9) == 10
    assert window.used(110.0) == 0


def test_rare_events_leave_exactly_one_window_later() -> None:
    window = Window(64.0)
    for at_s in (0.0, 1.0, 2.5):
        window.add(at_s, 1)
    assert [window.used(at_s) for at_s in (63.9, 64.0, 65.0, 66.4, 66.5)] == [3, 2, 1, 1, 0]
    assert window.wait_s(66.5, 1) is None
