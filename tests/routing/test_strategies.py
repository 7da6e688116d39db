"""What each strategy promises in docs/routing.md, on generated combos."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import Final, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.config.model import (
    Balance,
    Combo,
    Config,
    Connection,
    Model,
    Queue,
    Resilience,
    Sticky,
    StrategyName,
    Target,
)
from omniroute.routing.plan import RouteFacts
from omniroute.routing.strategies import BALANCES, STRATEGIES, WANDERING
from omniroute.translation.values import Failure
from tests.routing.world import World, combo_of, priced, provider

ROUNDS: Final = 2000
NAMES: Final[tuple[StrategyName, ...]] = get_args(StrategyName)
sizes = st.integers(1, 8)
seeds = st.integers(0, 2**32)


def test_every_strategy_and_balance_has_its_function() -> None:
    assert set(STRATEGIES) == set(NAMES)
    assert set(BALANCES) == set(get_args(Balance))


def firsts(world: World, rounds: int, facts: RouteFacts | None = None) -> Counter[str]:
    return Counter(world.models("c", facts)[0] for _ in range(rounds))


def within(count: int, share: float, rounds: int = ROUNDS) -> bool:
    """Five standard deviations around the expected count."""
    return abs(count - share * rounds) <= 5 * math.sqrt(rounds * share * (1 - share)) + 1


@given(st.sampled_from(NAMES), sizes, seeds)
def test_no_strategy_loses_or_repeats_a_target(name: StrategyName, size: int, seed: int) -> None:
    world = World(combo_of(size, name), seed)
    for _ in range(5):
        assert sorted(world.models()) == sorted(f"p{at}/m" for at in range(size))


@pytest.mark.parametrize("name", ["priority", "fill-first", "lkgp", "context-relay"])
@given(size=sizes, seed=seeds)
def test_ordered_strategies_keep_the_order(name: StrategyName, size: int, seed: int) -> None:
    world = World(combo_of(size, name), seed)
    assert world.models() == [f"p{at}/m" for at in range(size)]


@settings(max_examples=5, deadline=None)
@given(st.integers(2, 6), seeds)
def test_weighted_gives_shares_by_weight(size: int, seed: int) -> None:
    counts = firsts(World(combo_of(size, "weighted"), seed), ROUNDS)
    total = size * (size + 1) / 2
    assert all(within(counts[f"p{at}/m"], (at + 1) / total) for at in range(size))


def test_weight_zero_comes_last() -> None:
    targets = (Target(model="a/m", weight=0), Target(model="b/m"), Target(model="d/m", weight=9))
    config = Config(
        providers={name: provider(name) for name in "abd"},
        combos={"c": Combo(id="c", strategy="weighted", targets=targets)},
    )
    world = World(config)
    assert {world.models()[-1] for _ in range(200)} == {"a/m"}


@settings(max_examples=5, deadline=None)
@given(st.integers(2, 6), seeds)
def test_random_gives_equal_shares(size: int, seed: int) -> None:
    counts = firsts(World(combo_of(size, "random"), seed), ROUNDS)
    assert all(within(counts[f"p{at}/m"], 1 / size) for at in range(size))


@given(sizes, st.integers(1, 5), seeds)
def test_round_robin_is_exactly_fair(size: int, rounds: int, seed: int) -> None:
    counts = firsts(World(combo_of(size, "round-robin"), seed), size * rounds)
    assert set(counts.values()) == {rounds}


@given(sizes, st.integers(1, 5), seeds)
def test_deck_has_no_repeats(size: int, rounds: int, seed: int) -> None:
    world = World(combo_of(size, "strict-random"), seed)
    dealt = [world.models()[0] for _ in range(size * rounds)]
    for at in range(0, len(dealt), size):
        assert len(set(dealt[at : at + size])) == size
    if size > 1:
        assert all(one != two for one, two in pairwise(dealt))


@given(st.integers(2, 8), st.lists(st.sets(st.integers(0, 7)), max_size=30), seeds)
def test_deck_stays_fair_while_targets_come_and_go(
    size: int, absences: list[set[int]], seed: int
) -> None:
    """Whoever is there the whole time is dealt as often as the others of whom that is true."""
    world = World(combo_of(size, "strict-random"), seed)
    counts = dict.fromkeys(set(range(size)).difference(*absences), 0)
    for absent in absences:
        members = [at for at in range(size) if at not in absent]
        if not members:
            continue
        card = world.live.deal("c", members, world.rng)[0]
        assert card in members
        if card in counts:
            counts[card] += 1
        assert not counts or max(counts.values()) - min(counts.values()) <= 1


@given(st.integers(2, 8), st.integers(1, 60), seeds)
def test_least_used_stays_even(size: int, rounds: int, seed: int) -> None:
    """While time stands still nobody is more than one request ahead."""
    world = World(combo_of(size, "least-used"), seed)
    counts: Counter[str] = Counter()
    for _ in range(rounds):
        tried, error = world.run(lambda _: None, takes_s=0.0)
        assert error is None
        counts[tried[0]] += 1
    assert max(counts.values()) - min(counts.get(f"p{at}/main/m", 0) for at in range(size)) <= 1


prices = st.lists(
    st.one_of(st.none(), st.tuples(st.integers(0, 90), st.integers(0, 90))), min_size=1, max_size=8
)


@given(prices, st.integers(0, 10_000), st.integers(0, 10_000), seeds)
def test_cheapest_for_this_request_is_first(
    found: list[tuple[int, int] | None], tokens_in: int, tokens_out: int, seed: int
) -> None:
    models = [Model(id="m", price=None if p is None else priced(*p)) for p in found]
    config = combo_of(len(found), "cost-optimized")
    config = Config(
        providers={f"p{at}": provider(f"p{at}", model) for at, model in enumerate(models)},
        combos=config.combos,
    )
    facts = RouteFacts(input_tokens=tokens_in, output_tokens=tokens_out)
    order = [int(name[1:].split("/")[0]) for name in World(config, seed).models("c", facts)]
    costs = [math.inf if p is None else p[0] * tokens_in + p[1] * tokens_out for p in found]
    assert [costs[at] for at in order] == sorted(costs)


windows = st.lists(st.one_of(st.none(), st.integers(1, 1000)), min_size=1, max_size=8)


@given(windows, st.integers(0, 1200), seeds)
def test_smallest_window_that_fits_is_first(
    found: list[int | None], tokens: int, seed: int
) -> None:
    config = Config(
        providers={
            f"p{at}": provider(f"p{at}", Model(id="m", context_window=window))
            for at, window in enumerate(found)
        },
        combos=combo_of(len(found), "context-optimized").combos,
    )
    order = [
        found[int(name[1:].split("/")[0])]
        for name in World(config, seed).models("c", RouteFacts(input_tokens=tokens))
    ]
    fitting = sorted(window for window in found if window is not None and window >= tokens)
    unknown = [window for window in found if window is None]
    largest = [window for window in found if window == max(w or 0 for w in found)]
    assert order == ([*fitting, *unknown] or largest)


def test_fill_first_passes_over_what_is_full_and_comes_back() -> None:
    tight = Resilience(queue=Queue(max_concurrent=1))
    world = World(combo_of(3, "fill-first", resilience=tight))
    first = world.start()
    first.next(world.now_s)
    assert world.models()[0] == "p1/m"
    first.succeeded(world.now_s)
    assert world.models()[0] == "p0/m"


def test_p2c_prefers_the_less_loaded_of_two() -> None:
    world = World(combo_of(3, "p2c"))
    busy = world.live.connection(world.plan().candidates[0], world.now_s)
    counts = firsts(world, 300)
    assert min(counts.values()) > 50
    loaded = next(c for c in world.plan().candidates if c.model == "p0/m")
    busy = world.live.connection(loaded, world.now_s)
    busy.queue.in_flight = 50
    assert firsts(world, 300)["p0/m"] == 0


def test_lkgp_returns_to_whoever_answered_last() -> None:
    world = World(combo_of(3, "lkgp"))
    down = Failure(kind="upstream", status=500, message="down")
    world.run(lambda c: down if c.model == "p0/m" else None)
    world.now_s += 60
    assert world.models() == ["p1/m", "p0/m", "p2/m"]


def test_auto_weighs_health_and_cost() -> None:
    config = Config(
        providers={
            "dear": provider("dear", Model(id="m", price=priced(30, 60))),
            "cheap": provider("cheap", Model(id="m", price=priced(1, 2))),
        },
        combos={
            "c": Combo(
                id="c", strategy="auto", targets=(Target(model="dear/m"), Target(model="cheap/m"))
            )
        },
        resilience=Resilience(),
    )
    world = World(config)
    facts = RouteFacts(input_tokens=1000, output_tokens=1000)
    assert world.models("c", facts) == ["cheap/m", "dear/m"]
    candidate = next(c for c in world.plan().candidates if c.model == "cheap/m")
    health = world.live.model(candidate, world.now_s)
    health.score = 0.1
    assert world.models("c", facts) == ["dear/m", "cheap/m"]


def test_context_relay_hands_a_session_over_and_does_not_flap() -> None:
    world = World(combo_of(3, "context-relay"))
    facts = RouteFacts(session="s", key="k")
    down = Failure(kind="rate_limit", status=429, message="empty", retry_after_s=100.0)
    assert world.run(lambda _: None, facts=facts)[0] == ["p0/main/m"]
    plan = world.plan("c", facts)
    assert (plan.held, plan.relayed_from) == (True, None)
    tried, error = world.run(lambda c: down if c.model == "p0/m" else None, facts=facts)
    assert (tried, error) == (["p0/main/m", "p1/main/m"], None)
    world.now_s += 200
    assert world.models("c", facts)[0] == "p1/m"
    assert world.models("c", RouteFacts(session="s", key="other"))[0] == "p0/m"


def test_a_session_that_moves_is_told() -> None:
    world = World(combo_of(2, "priority", sticky=Sticky()))
    facts = RouteFacts(session="s")
    world.run(lambda _: None, facts=facts)
    down = Failure(kind="rate_limit", status=429, message="empty", retry_after_s=100.0)
    world.run(lambda c: down if c.model == "p0/m" else None)
    plan = world.plan("c", facts)
    assert (plan.held, plan.relayed_from) == (False, "p0/main/m")


@pytest.mark.parametrize("balance", sorted(BALANCES))
def test_balance_tries_every_connection_and_better_priority_first(balance: Balance) -> None:
    connections = (
        Connection(id="late", priority=9),
        Connection(id="one", weight=2),
        Connection(id="two"),
    )
    config = Config(providers={"p": provider("p", connections=connections, balance=balance)})
    world = World(config)
    for _ in range(20):
        order = [candidate.connection.id for candidate in world.plan("p/m").candidates]
        assert order[-1] == "late"
        assert sorted(order) == ["late", "one", "two"]


def test_round_robin_keeps_a_session_at_its_connection() -> None:
    connections = tuple(Connection(id=name) for name in ("one", "two", "three"))
    config = Config(providers={"p": provider("p", connections=connections, balance="round-robin")})
    world = World(config)
    facts = RouteFacts(session="s", key="k")
    seen = {world.run(lambda _: None, "p/m", facts)[0][0] for _ in range(12)}
    others = {world.run(lambda _: None, "p/m")[0][0] for _ in range(3)}
    assert len(seen) == 1
    assert len(others) == 3


AGENT = RouteFacts(opening="o", key="k", needs=frozenset({"tools"}))


@pytest.mark.parametrize("strategy", sorted(WANDERING))
def test_an_agent_stays_at_its_target_and_moves_when_that_fails(strategy: StrategyName) -> None:
    world = World(combo_of(3, strategy))
    seen = {world.run(lambda _: None, facts=AGENT)[0][0] for _ in range(12)}
    assert len(seen) == 1
    (stays,) = seen
    down = Failure(kind="rate_limit", status=429, message="empty", retry_after_s=100.0)
    tried, error = world.run(lambda c: down if c.key == stays else None, facts=AGENT)
    assert (tried[0], error) == (stays, None)
    world.now_s += 200
    assert {world.run(lambda _: None, facts=AGENT)[0][0] for _ in range(12)} == {tried[-1]}


@pytest.mark.parametrize(
    ("facts", "sticky"),
    [
        pytest.param(RouteFacts(opening="o", key="k"), None, id="no agent"),
        pytest.param(RouteFacts(needs=frozenset({"tools"})), None, id="nothing known of it"),
        pytest.param(AGENT, Sticky(by="none"), id="not wanted"),
    ],
)
def test_others_go_round(facts: RouteFacts, sticky: Sticky | None) -> None:
    world = World(combo_of(3, "round-robin", sticky=sticky))
    assert len({world.run(lambda _: None, facts=facts)[0][0] for _ in range(3)}) == 3


def test_round_robin_keeps_an_agent_at_its_connection() -> None:
    connections = tuple(Connection(id=name) for name in ("one", "two", "three"))
    config = Config(providers={"p": provider("p", connections=connections, balance="round-robin")})
    world = World(config)
    assert len({world.run(lambda _: None, "p/m", AGENT)[0][0] for _ in range(12)}) == 1
