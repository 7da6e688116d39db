"""What survives a reload, what is forgotten, and that nothing grows without bound."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

from msgspec.structs import replace

from omniroute.config.model import Config, Connection, Ref
from omniroute.routing.breaker import CLOSED
from omniroute.routing.index import compile_index, make_leaf
from omniroute.routing.live import MAX_MODELS, MAX_SESSIONS, LiveState
from omniroute.routing.plan import RouteFacts
from tests.routing.world import World, combo_of, failing, provider

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def connection(name: str, key: str) -> Connection:
    return Connection(id=name, api_key=Ref(key))


def test_state_survives_a_reload_of_what_did_not_change() -> None:
    before = Config(
        providers={
            "p": provider("p", connections=(connection("a", "${env:A}"), connection("b", "x")))
        }
    )
    world = World(before)
    for _ in range(5):
        world.run(lambda _: failing(500), "p/m")
    kept = world.live.models["p/a/m"]
    changed = provider("p", connections=(connection("a", "${env:A}"), connection("b", "another")))
    world.live.adopt(compile_index(Config(providers={"p": changed, "q": provider("q")})))
    assert world.live.models["p/a/m"] is kept
    assert "p/b/m" not in world.live.models


def test_what_is_no_longer_declared_is_forgotten() -> None:
    world = World(combo_of(2, "round-robin"))
    world.run(lambda _: None)
    world.live.adopt(compile_index(Config(providers={"p0": provider("p0")})))
    assert "p1/main/m" not in world.live.models
    assert world.live.turn("c") == 0


def test_a_request_on_the_old_snapshot_ends_well() -> None:
    world = World(combo_of(1))
    attempts = world.start()
    attempts.next(world.now_s)
    world.live.adopt(compile_index(Config(providers={"q": provider("q")})))
    attempts.succeeded(world.now_s)
    assert all(health.queue.in_flight == 0 for health in world.live.connections.values())


def test_models_that_clients_make_up_do_not_pile_up() -> None:
    index = compile_index(Config(providers={"p": provider("p")}))
    live = LiveState()
    live.adopt(index)
    declared = index.leaves["p/m"].candidates[0]
    live.model(declared, 0.0)
    for at in range(MAX_MODELS + 1000):
        [made_up] = make_leaf(index, index.config.providers["p"], f"made-up-{at}").candidates
        live.model(made_up, float(at))
    assert len(live.models) <= MAX_MODELS
    assert declared.key in live.models


def test_turns_of_undeclared_models_do_not_pile_up() -> None:
    live, rng = LiveState(), Random(1)  # noqa: S311 - spreads load, guards nothing
    assert (live.turn("p/x"), live.turn("p/x")) == (0, 1)
    assert [len(live.deal("p/x", (0, 1, 2), rng)) for _ in range(2)] == [3, 2]
    for at in range(MAX_MODELS):
        assert live.turn("c") == at
        live.turn(f"p/made-up-{at}")
        live.deal(f"p/made-up-{at}", (0, 1, 2), rng)
    assert live.turn("p/x") == 0
    assert len(live.deal("p/x", (0, 1, 2), rng)) == 3


def test_sessions_do_not_pile_up() -> None:
    world = World(combo_of(1))
    candidate = world.plan().candidates[0]
    for at in range(MAX_SESSIONS + 50):
        world.live.touch_session(f"s{at}", "k", candidate, float(at))
        world.live.bind("c", f"s{at}", candidate.key, 1e9)
    assert len(world.live.sessions) == MAX_SESSIONS
    assert len(world.live.bindings) == MAX_SESSIONS
    assert world.live.bound("c", "s0", 0.0) is None


def test_a_binding_ends() -> None:
    live = LiveState()
    live.bind("c", "k\ns", "p/main/m", 10.0)
    assert live.bound("c", "k\ns", 9.9) == "p/main/m"
    assert live.bound("c", "k\ns", 10.0) is None


def test_a_used_up_quota_blocks_until_its_reset() -> None:
    world = World(combo_of(2))
    candidate = world.plan().candidates[0]
    world.live.learn(
        candidate,
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"},
        now_s=world.now_s,
        now=NOW,
    )
    assert world.models() == ["p1/m"]
    world.now_s += 360
    assert world.models() == ["p0/m", "p1/m"]


def test_a_success_ends_the_rest_after_an_error() -> None:
    world = World(combo_of(2))
    answers = [failing(500), None]
    world.run(lambda c: answers.pop(0) if c.model == "p0/m" else None, facts=RouteFacts())
    assert world.models() == ["p0/m", "p1/m"]


def test_reset_closes_and_counts() -> None:
    world = World(combo_of(1))
    for _ in range(5):
        world.run(lambda _: failing(500))
    assert world.live.reset() == 1
    assert world.run(lambda _: None)[1] is None


def test_reset_keeps_to_its_scope() -> None:
    world = World(combo_of(2))
    for _ in range(6):
        world.run(lambda _: failing(500))
    (first, second) = sorted(world.live.models)
    assert world.live.reset(first.partition("/")[0] + "/") == 1
    assert world.live.models[first].breaker == CLOSED
    assert world.live.models[second].breaker != CLOSED


def test_deal_survives_members_that_change() -> None:
    live, rng = LiveState(), Random(1)  # noqa: S311 - spreads load, guards nothing
    for members in ((0, 1, 2), (1,), (0, 2), (5,), (0, 1, 2, 5)):
        assert set(live.deal("c", members, rng)) <= set(members)


def test_a_connection_that_moves_starts_anew() -> None:
    config = combo_of(1)
    world = World(config)
    world.run(lambda _: None)
    moved = replace(config.providers["p0"], base_url="https://elsewhere.example/v1")
    world.live.adopt(compile_index(replace(config, providers={"p0": moved})))
    assert not world.live.models
