"""The breaker makes the transitions that its drawing shows, and no other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from omniroute.config.model import Breaker
from omniroute.routing.breaker import (
    CLOSED,
    PASS,
    Closed,
    HalfOpen,
    Open,
    Permit,
    State,
    ask,
    fail,
    give_back,
    succeed,
)

SETTINGS = Breaker(failures=3, window_s=10.0, open_s=5.0, half_open_probes=2)
DRAWN = {
    ("Closed", "Open"),
    ("Open", "HalfOpen"),
    ("HalfOpen", "Open"),
    ("HalfOpen", "Closed"),
}


def opened(now_s: float = 0.0) -> State:
    state: State = CLOSED
    for _ in range(SETTINGS.failures):
        state = fail(state, SETTINGS, PASS, now_s)
    return state


def test_opens_after_failures_in_a_row() -> None:
    assert opened(2.0) == Open(until_s=7.0)


def test_a_success_forgets_the_failures_before_it() -> None:
    state = fail(fail(CLOSED, SETTINGS, PASS, 0.0), SETTINGS, PASS, 0.0)
    assert succeed(state, SETTINGS, PASS) == CLOSED


def test_failures_outside_the_window_do_not_count() -> None:
    state = fail(fail(CLOSED, SETTINGS, PASS, 0.0), SETTINGS, PASS, 1.0)
    assert fail(state, SETTINGS, PASS, 10.5) == Closed((1.0, 10.5))


def test_zero_failures_turn_it_off() -> None:
    off = Breaker(failures=0)
    state: State = CLOSED
    for _ in range(100):
        state = fail(state, off, PASS, 0.0)
    assert state == CLOSED


def test_open_lets_nothing_pass_until_its_time_is_over() -> None:
    state = opened()
    assert ask(state, SETTINGS, 4.99) == (state, None)
    after, permit = ask(state, SETTINGS, 5.0)
    assert isinstance(after, HalfOpen)
    assert permit is not None
    assert permit.probe == after.generation


def test_half_open_lets_so_many_probes_pass() -> None:
    state = opened()
    permits: list[Permit | None] = []
    for _ in range(500):
        state, permit = ask(state, SETTINGS, 6.0)
        permits.append(permit)
    assert sum(permit is not None for permit in permits) == SETTINGS.half_open_probes


def test_all_probes_must_come_back_well() -> None:
    state, one = ask(opened(), SETTINGS, 6.0)
    state, two = ask(state, SETTINGS, 6.1)
    assert one is not None
    assert two is not None
    state = succeed(state, SETTINGS, two)
    assert isinstance(state, HalfOpen)
    assert succeed(state, SETTINGS, one) == CLOSED


def test_one_failed_probe_opens_again() -> None:
    state, probe = ask(opened(), SETTINGS, 6.0)
    assert probe is not None
    assert fail(state, SETTINGS, probe, 7.0) == Open(until_s=12.0)


def test_a_probe_given_up_leaves_its_place() -> None:
    state, one = ask(opened(), SETTINGS, 6.0)
    state, two = ask(state, SETTINGS, 6.1)
    assert one is not None
    assert two is not None
    assert ask(state, SETTINGS, 6.2)[1] is None
    assert ask(give_back(state, one), SETTINGS, 6.2)[1] is not None


def test_a_lost_probe_cannot_lock_it() -> None:
    state, _ = ask(opened(), SETTINGS, 6.0)
    state, _ = ask(state, SETTINGS, 6.0)
    assert ask(state, SETTINGS, 10.9)[1] is None
    assert ask(state, SETTINGS, 11.0)[1] is not None


Move = tuple[str, float, int]
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["ask", "succeed", "fail", "give_back"]),
        st.floats(0.0, 4.0),
        st.integers(0, 3),
    ),
    max_size=60,
)


@given(MOVES)
def test_only_drawn_transitions(moves: list[Move]) -> None:
    """Any order of requests and answers, late ones of earlier spells included."""
    state: State = CLOSED
    now_s = 0.0
    permits: list[Permit] = [PASS]
    for what, wait_s, which in moves:
        now_s += wait_s
        before = state
        permit = permits[which % len(permits)]
        if what == "ask":
            state, given_out = ask(state, SETTINGS, now_s)
            if given_out is not None:
                permits.append(given_out)
        elif what == "succeed":
            state = succeed(state, SETTINGS, permit)
        elif what == "fail":
            state = fail(state, SETTINGS, permit, now_s)
        else:
            state = give_back(state, permit)
        step = (type(before).__name__, type(state).__name__)
        assert step[0] == step[1] or step in DRAWN
        if isinstance(before, Open) and isinstance(state, HalfOpen):
            assert what == "ask"
            assert now_s >= before.until_s
        if isinstance(before, HalfOpen) and not isinstance(state, HalfOpen):
            assert permit.probe == before.generation
        if isinstance(state, HalfOpen):
            assert len(state.probes_s) <= SETTINGS.half_open_probes
