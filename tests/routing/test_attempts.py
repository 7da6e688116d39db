"""The way through a plan: who is tried, what is waited for, when it ends and what is then said."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.config.model import (
    Breaker,
    Combo,
    Config,
    Connection,
    Cooldown,
    Model,
    Queue,
    Resilience,
    Retry,
    Target,
)
from omniroute.errors import Kind, UpstreamConnectError, UpstreamCutError, UpstreamTimeoutError
from omniroute.routing.attempts import GiveUp, Try, Wait
from omniroute.routing.breaker import Open
from omniroute.routing.plan import RouteFacts
from omniroute.routing.values import Candidate
from omniroute.translation.values import Failure
from tests.routing.world import Answer, World, combo_of, failing, provider

TWO = (Connection(id="a"), Connection(id="b"))


def one_provider(connections: tuple[Connection, ...] = TWO, **resilience: object) -> Config:
    return Config(
        providers={"p": provider("p", connections=connections)},
        resilience=Resilience(**resilience),  # pyright: ignore[reportArgumentType] -- parts by name
    )


def test_another_connection_before_the_same_again() -> None:
    world = World(one_provider())
    answers: dict[str, list[Answer]] = {"a": [failing(500), None], "b": [failing(503)]}
    tried, error = world.run(lambda c: answers[c.connection.id].pop(0), "p/m")
    assert error is None
    assert tried == ["p/a/m", "p/b/m", "p/a/m"]


def test_the_same_again_before_another_model_while_attempts_last() -> None:
    world = World(combo_of(2, max_attempts=4))
    tried, error = world.run(lambda c: failing(500) if c.model == "p0/m" else None)
    assert error is None
    assert tried == ["p0/main/m", "p0/main/m", "p1/main/m"]


def test_every_route_is_tried_before_any_is_tried_twice_when_attempts_are_scarce() -> None:
    world = World(combo_of(4, max_attempts=4))
    tried, error = world.run(lambda c: failing(500) if c.model != "p3/m" else None)
    assert error is None
    assert tried == [f"p{at}/main/m" for at in range(4)]


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_a_clients_mistake_is_told_at_once_in_the_providers_words(status: int) -> None:
    world = World(combo_of(3))
    kind = "not_found" if status == 404 else "invalid_request"
    tried, error = world.run(lambda _: failing(status, kind))
    assert tried == ["p0/main/m"]
    assert error is not None
    assert (error.status, error.kind, error.message) == (status, kind, f"says {status}")


def test_fallback_on_is_what_the_combo_says() -> None:
    world = World(combo_of(2, fallback_on=("404",)))
    tried, error = world.run(lambda c: failing(404, "not_found") if c.model == "p0/m" else None)
    assert (len(tried), error) == (2, None)
    tried, error = world.run(lambda _: UpstreamTimeoutError("late", phase="first_byte"))
    assert error is not None
    assert (tried, error.status) == (["p0/main/m"], 504)


def test_a_refused_credential_moves_on_and_rests() -> None:
    world = World(one_provider())
    tried, error = world.run(
        lambda c: failing(401, "authentication") if c.connection.id == "a" else None, "p/m"
    )
    assert (tried, error) == (["p/a/m", "p/b/m"], None)
    world.now_s += 9
    assert [c.connection.id for c in world.plan("p/m").candidates] == ["b"]
    world.now_s += 2
    assert len(world.plan("p/m").candidates) == 2


@pytest.mark.parametrize("kind", ["authentication", "permission", "budget"])
def test_what_is_held_against_the_gateway_says_so(kind: Kind) -> None:
    world = World(one_provider((Connection(id="a"),)))
    _, error = world.run(lambda _: failing(401, kind), "p/m")
    assert error is not None
    assert error.message.startswith(f'no route for "p/m" could answer: p/m via a: {kind} (401)')


def test_context_too_long_goes_to_larger_windows_and_then_to_unknown_ones() -> None:
    windows = {"small": 100, "same": 100, "unknown": None, "large": 1000}
    config = Config(
        providers={
            name: provider(name, Model(id="m", context_window=size))
            for name, size in windows.items()
        },
        combos={"c": Combo(id="c", targets=tuple(Target(model=f"{name}/m") for name in windows))},
    )
    too_long = failing(400, "context_length")
    tried, error = World(config).run(lambda c: None if c.provider.id == "large" else too_long)
    assert (tried, error) == (["small/main/m", "large/main/m"], None)
    tried, error = World(config).run(lambda _: too_long)
    assert error is not None
    assert (tried, error.kind, error.status) == (
        ["small/main/m", "large/main/m", "unknown/main/m"],
        "context_length",
        400,
    )


def test_a_model_that_found_the_context_too_long_is_not_asked_again() -> None:
    connections = (Connection(id="a"), Connection(id="b"))
    tried, error = World(one_provider(connections)).run(
        lambda _: failing(400, "context_length"), "p/m"
    )
    assert error is not None
    assert (tried, error.kind) == (["p/a/m"], "context_length")


def test_nothing_is_tried_after_bytes_reached_the_client() -> None:
    world = World(combo_of(3))
    attempts = world.start()
    assert isinstance(attempts.next(world.now_s), Try)
    attempts.answered(world.now_s)
    attempts.failed(UpstreamCutError("reset"), world.now_s)
    step = attempts.next(world.now_s)
    assert isinstance(step, GiveUp)
    assert attempts.count == 1


def test_retry_after_is_honoured_when_there_is_no_other_route() -> None:
    world = World(one_provider((Connection(id="a"),)))
    answers: list[Answer] = [failing(429, "rate_limit", retry_after_s=7.0), None]
    began_s = world.now_s
    tried, error = world.run(lambda _: answers.pop(0), "p/m")
    assert (len(tried), error) == (2, None)
    assert 7.0 <= world.now_s - began_s < 8.0


@pytest.mark.parametrize("asked_s", [3.0, 0.4])
def test_a_503_is_asked_again_no_sooner_than_it_says(asked_s: float) -> None:
    world = World(one_provider((Connection(id="a"),), retry=Retry(base_s=0.001)))
    answers: list[Answer] = [failing(503, "unavailable", retry_after_s=asked_s), None]
    began_s = world.now_s
    tried, error = world.run(lambda _: answers.pop(0), "p/m")
    assert (len(tried), error) == (2, None)
    assert asked_s <= world.now_s - began_s < asked_s + 0.1


def test_a_503s_wish_can_be_left_unheard() -> None:
    world = World(
        one_provider((Connection(id="a"),), retry=Retry(base_s=0.001, honor_retry_after=False))
    )
    answers: list[Answer] = [failing(503, "unavailable", retry_after_s=3.0), None]
    began_s = world.now_s
    assert world.run(lambda _: answers.pop(0), "p/m") == (["p/a/m", "p/a/m"], None)
    assert world.now_s - began_s < 0.1


def test_a_long_retry_after_becomes_the_clients() -> None:
    world = World(one_provider((Connection(id="a"),)))
    limited = failing(429, "rate_limit", retry_after_s=120.0)
    began_s = world.now_s
    tried, error = world.run(lambda _: limited, "p/m")
    assert world.now_s - began_s < 1.0
    assert error is not None
    assert (len(tried), error.status) == (1, 429)
    assert error.retry_after_s == pytest.approx(120.0, abs=1.0)
    tried, error = world.run(lambda _: None, "p/m")
    assert error is not None
    assert (tried, error.status, error.kind) == ([], 429, "rate_limit")
    assert error.retry_after_s == pytest.approx(120.0, abs=1.0)


def test_a_rate_limited_route_does_not_delay_a_free_one() -> None:
    world = World(combo_of(2))
    limited = failing(429, "rate_limit", retry_after_s=20.0)
    began_s = world.now_s
    tried, error = world.run(lambda c: limited if c.model == "p0/m" else None)
    assert (tried, error) == (["p0/main/m", "p1/main/m"], None)
    assert world.now_s - began_s < 0.1


def test_one_deadline_bounds_all_attempts() -> None:
    world = World(combo_of(8))
    began_s = world.now_s
    late = UpstreamTimeoutError("late", phase="first_byte")
    tried, error = world.run(lambda _: late, takes_s=3.0, within_s=10.0)
    assert len(tried) == 4
    assert world.now_s - began_s <= 12.0
    assert error is not None
    assert (error.kind, error.status) == ("timeout", 504)


def test_the_last_error_lists_every_attempt() -> None:
    world = World(combo_of(3, resilience=Resilience(retry=Retry(attempts=1))))
    answers: dict[str, Answer] = {
        "p0/m": failing(429, "rate_limit", retry_after_s=40.0),
        "p1/m": UpstreamConnectError("refused"),
        "p2/m": failing(529, "overloaded"),
    }
    _, error = world.run(lambda c: answers[c.model])
    assert error is not None
    assert (error.status, error.kind) == (429, "rate_limit")
    assert error.retry_after_s == pytest.approx(40.0, abs=0.1)
    for part in (
        "p0/m via main: rate_limit (429) says 429",
        "p1/m via main: connection (502) the provider could not be reached",
        "p2/m via main: overloaded (529) says 529",
    ):
        assert part in error.message


def test_an_open_breaker_answers_at_once_with_retry_after() -> None:
    world = World(one_provider((Connection(id="a"),)))
    for _ in range(5):
        world.run(lambda _: failing(500), "p/m")
    tried, error = world.run(lambda _: None, "p/m")
    assert error is not None
    assert (tried, error.status) == ([], 503)
    assert "breaker open" in error.message
    assert error.retry_after_s is not None
    assert 0 < error.retry_after_s <= 30


@pytest.mark.parametrize("verdict", ["good", "bad"])
def test_only_probes_pass_while_half_open(verdict: str) -> None:
    world = World(one_provider((Connection(id="a"),)))
    for _ in range(5):
        world.run(lambda _: failing(500), "p/m")
    assert isinstance(world.live.models["p/a/m"].breaker, Open)
    world.now_s += 31
    started = [world.start("p/m") for _ in range(500)]
    steps = [attempts.next(world.now_s) for attempts in started]
    assert Counter(type(step).__name__ for step in steps) == {"Try": 1, "Wait": 499}
    assert [type(attempts.next(world.now_s + 5)) for attempts in started[1:]] == [Wait] * 499
    woken: list[int] = []
    for at, attempts in enumerate(started[1:]):
        step = attempts.next(world.now_s + 5)
        assert isinstance(step, Wait)
        assert step.ticket is not None
        step.ticket.wake = lambda at=at: woken.append(at)
    if verdict == "good":
        started[0].succeeded(world.now_s + 5)
    else:
        started[0].failed(failing(500), world.now_s + 5)
    assert woken == list(range(499))
    after = {type(attempts.next(world.now_s + 5)).__name__ for attempts in started[1:]}
    assert after == ({"Try"} if verdict == "good" else {"GiveUp"})


def test_waiting_for_a_probe_is_bounded() -> None:
    world = World(one_provider((Connection(id="a"),), queue=Queue(max_wait_s=2.0)))
    for _ in range(5):
        world.run(lambda _: failing(500), "p/m")
    world.now_s += 31
    probe, other = world.start("p/m"), world.start("p/m")
    assert isinstance(probe.next(world.now_s), Try)
    step = other.next(world.now_s)
    assert isinstance(step, Wait)
    assert step.seconds == 2.0
    last = other.next(world.now_s + 2.0)
    assert isinstance(last, GiveUp)
    assert last.error.status == 503
    assert not world.live.models["p/a/m"].waiting


def test_a_client_that_leaves_gives_everything_back() -> None:
    world = World(one_provider((Connection(id="a"),), queue=Queue(max_concurrent=1)))
    first, second = world.start("p/m"), world.start("p/m")
    assert isinstance(first.next(world.now_s), Try)
    waiting = second.next(world.now_s)
    assert isinstance(waiting, Wait)
    assert waiting.ticket is not None
    second.close(world.now_s)
    first.close(world.now_s)
    first.close(world.now_s)
    queue = world.live.connections["p/a"].queue
    assert (queue.in_flight, queue.queued, world.live.models["p/a/m"].in_flight) == (0, 0, 0)


def test_a_full_connection_is_waited_for_and_then_passed_over() -> None:
    tight = Resilience(queue=Queue(max_concurrent=1, max_wait_s=2.0))
    world = World(combo_of(2, resilience=tight))
    blocker = world.start()
    blocker.next(world.now_s)
    attempts = world.start()
    step = attempts.next(world.now_s)
    assert isinstance(step, Wait)
    assert step.seconds == 2.0
    step = attempts.next(world.now_s + 2.0)
    assert isinstance(step, Try)
    assert step.candidate.model == "p1/m"


def test_a_granted_place_is_used() -> None:
    tight = Resilience(queue=Queue(max_concurrent=1))
    world = World(combo_of(2, resilience=tight))
    blocker, attempts = world.start(), world.start()
    blocker.next(world.now_s)
    step = attempts.next(world.now_s)
    assert isinstance(step, Wait)
    blocker.succeeded(world.now_s)
    step = attempts.next(world.now_s)
    assert isinstance(step, Try)
    assert step.candidate.model == "p0/m"


def test_a_free_connection_of_the_same_model_is_used_instead_of_waiting() -> None:
    world = World(one_provider(queue=Queue(max_concurrent=1)))
    blocker, attempts = world.start("p/m"), world.start("p/m")
    blocker.next(world.now_s)
    step = attempts.next(world.now_s)
    assert isinstance(step, Try)
    assert step.candidate.connection.id == "b"


def test_the_gateways_own_refusal_blames_nobody() -> None:
    world = World(combo_of(2, fallback_on=("budget",)))
    attempts = world.start()
    attempts.next(world.now_s)
    attempts.refused(Failure(kind="budget", status=402, message="used up"), world.now_s)
    step = attempts.next(world.now_s)
    assert isinstance(step, Try)
    assert step.candidate.model == "p1/m"
    attempts.close(world.now_s)
    assert world.models()[0] == "p0/m"


def test_repeats_stay_within_the_retry_budget() -> None:
    off = Resilience(breaker=Breaker(failures=0), cooldown=Cooldown(error_s=0.0))
    world = World(combo_of(1, resilience=off))
    total = 0
    for _ in range(500):
        tried, _ = world.run(lambda _: failing(500), takes_s=0.0)
        total += len(tried)
        world.now_s = 1000.0
    assert 500 <= total <= 500 * 1.2 + 20


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.integers(0, 2**32))
def test_no_client_sees_an_error_while_one_route_is_healthy(size: int, seed: int) -> None:
    """Half of the connections fail, another half every second, in every way there is."""
    connections = tuple(Connection(id=f"c{at}") for at in range(size))
    config = Config(
        providers={
            "p": provider("p", connections=connections, balance="round-robin"),
            "q": provider("q", connections=connections, balance="p2c"),
        },
        combos={
            "c": Combo(id="c", targets=(Target(model="p/m"), Target(model="q/m")), max_attempts=100)
        },
    )
    world = World(config, seed)
    rng = Random(seed)  # noqa: S311 - spreads load, guards nothing
    ways: tuple[Answer, ...] = (
        failing(500),
        failing(529, "overloaded"),
        failing(401, "authentication"),
        UpstreamConnectError("refused"),
        UpstreamCutError("garbage"),
        UpstreamTimeoutError("late", phase="first_byte"),
    )
    keys = [f"{name}/c{at}" for name in "pq" for at in range(size)]

    def answer(candidate: Candidate) -> Answer:
        return rng.choice(ways) if candidate.connection_key in down else None

    alive = rng.choice(keys)
    for _ in range(20):
        down = set(rng.sample(keys, len(keys) // 2)) - {alive}
        for _ in range(10):
            _, error = world.run(answer, facts=RouteFacts())
            assert error is None
            world.now_s += 0.1
