"""No plan holds what is disabled, unfit, blocked or named twice; what is left out has a reason."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.config.model import Combo, Config, Connection, Model, StrategyName, Target
from omniroute.errors import ConfigError, RequestError
from omniroute.routing.index import compile_index
from omniroute.routing.plan import RouteFacts
from tests.routing.configs import config_of
from tests.routing.test_strategies import NAMES
from tests.routing.world import World, failing, provider


@dataclass
class Shape:
    """A generated configuration: combos only name providers' models and combos before them."""

    config: Config


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    count = draw(st.integers(1, 5))
    providers = {
        f"p{at}": provider(
            f"p{at}",
            Model(
                id="m",
                kind=draw(st.sampled_from(["chat", "chat", "embedding"])),
                context_window=draw(st.sampled_from([None, 100, 10_000])),
                capabilities=draw(st.sampled_from([None, ("tools",), ("tools", "vision")])),
            ),
            connections=tuple(
                Connection(id=f"c{n}", enabled=draw(st.booleans()))
                for n in range(draw(st.integers(1, 3)))
            ),
        )
        for at in range(count)
    }
    combos: dict[str, Combo] = {}
    for at in range(draw(st.integers(1, 5))):
        known = [f"{name}/m" for name in providers] + list(combos)
        targets = draw(st.lists(st.sampled_from(known), min_size=1, max_size=6))
        strategy: StrategyName = draw(st.sampled_from(NAMES))
        combos[f"k{at}"] = Combo(
            id=f"k{at}",
            strategy=strategy,
            targets=tuple(Target(model=name, weight=draw(st.integers(0, 3))) for name in targets),
        )
    return Shape(Config(providers=providers, combos=combos))


@settings(max_examples=60, deadline=None)
@given(
    shapes(),
    st.sets(st.sampled_from(["tools", "vision"])),
    st.sampled_from([10, 1000]),
    st.integers(0, 99),
)
def test_nothing_unfit_is_planned(shape: Shape, needs: set[str], tokens: int, seed: int) -> None:
    world = World(shape.config, seed)
    facts = RouteFacts(input_tokens=tokens, needs=frozenset(needs))
    for name, branch in world.index.combos.items():
        try:
            plan = world.plan(name, facts)
        except RequestError:
            continue  # no target can serve such a request at all
        keys = [candidate.key for candidate in plan.candidates]
        assert len(keys) == len(set(keys))
        below = _below(shape.config, name)
        largest = max((c.window or 0 for c in plan.candidates), default=0)
        for candidate in plan.candidates:
            assert candidate.connection.enabled
            assert candidate.kind == "chat"
            assert candidate.capabilities is None or needs <= candidate.capabilities
            assert (
                candidate.window is None
                or tokens <= candidate.window
                or (candidate.window == largest)
            )
            assert candidate.model in below
        assert all(excluded.reason for excluded in plan.excluded)
        assert plan.candidates or plan.excluded
        assert branch.combo.id == name


def _below(config: Config, name: str) -> set[str]:
    found: set[str] = set()
    for target in config.combos[name].targets:
        found |= _below(config, target.model) if target.model in config.combos else {target.model}
    return found


def test_a_loop_is_refused() -> None:
    combos = {
        "a": Combo(id="a", targets=(Target(model="b"),)),
        "b": Combo(id="b", targets=(Target(model="a"),)),
    }
    with pytest.raises(ConfigError, match="a → b → a"):
        compile_index(Config(combos=combos))


def test_a_condition_decides_on_the_request() -> None:
    world = World(
        config_of("""
providers: {p: {format: openai-chat, base_url: "https://p.example/v1", models: {m: {}, n: {}}}}
combos:
  c:
    targets:
      - {model: p/m, when: "usage.input_tokens_estimate < `100`"}
      - p/n
""")
    )
    small = RouteFacts(document={"usage": {"input_tokens_estimate": 5}})
    large = RouteFacts(document={"usage": {"input_tokens_estimate": 500}})
    assert world.models("c", small) == ["p/m", "p/n"]
    plan = world.plan("c", large)
    assert [candidate.model for candidate in plan.candidates] == ["p/n"]
    [left_out] = plan.excluded
    assert left_out.reason == "`when` does not hold: usage.input_tokens_estimate < `100`"
    assert str(left_out.mark) == "omniroute.yaml:6:9"


def test_a_condition_that_fails_leaves_its_target_out() -> None:
    world = World(
        config_of("""
providers: {p: {format: openai-chat, base_url: "https://p.example/v1", models: {m: {}, n: {}}}}
combos: {c: {targets: [{model: p/m, when: "starts_with(key, 'x')"}, p/n]}}
""")
    )
    plan = world.plan("c", RouteFacts(document={"key": None}))
    assert [candidate.model for candidate in plan.candidates] == ["p/n"]
    assert plan.excluded[0].reason.startswith("`when` failed")


def test_what_no_target_can_do_is_the_clients_error() -> None:
    world = World(
        config_of("""
providers:
  p: {format: openai-chat, base_url: "https://p.example/v1", models: {m: {capabilities: [tools]}}}
combos: {c: {targets: [p/m]}}
""")
    )
    with pytest.raises(RequestError) as caught:
        world.plan("c", RouteFacts(needs=frozenset({"vision"})))
    assert caught.value.status == 400
    assert "lacks vision" in caught.value.message
    assert world.models("p/m", RouteFacts(needs=frozenset({"vision"}))) == ["p/m"]


def test_candidates_say_where_they_stand() -> None:
    world = World(
        config_of("""
providers: {p: {format: openai-chat, base_url: "https://p.example/v1", models: {m: {}}}}
combos:
  c:
    targets:
      - p/m
""")
    )
    [candidate] = world.plan().candidates
    assert (str(candidate.mark), candidate.combo) == ("omniroute.yaml:6:9", "c")


def test_what_failed_a_moment_ago_comes_last() -> None:
    world = World(
        Config(
            providers={name: provider(name) for name in ("a", "b")},
            combos={"c": Combo(id="c", targets=(Target(model="a/m"), Target(model="b/m")))},
        )
    )
    world.run(lambda c: failing(500) if c.model == "a/m" else None)
    plan = world.plan()
    assert [candidate.model for candidate in plan.candidates] == ["b/m"]
    assert [candidate.model for candidate in plan.resting] == ["a/m"]
    world.now_s += 5.1
    assert world.models() == ["a/m", "b/m"]


def test_secret_missing_takes_a_connection_out() -> None:
    config = Config(
        providers={"p": provider("p", connections=(Connection(id="a"), Connection(id="b")))}
    )
    index = compile_index(config, {"p/a": "OPENAI_API_KEY is not set"})
    reasons = [candidate.unavailable for candidate in index.leaves["p/m"].candidates]
    assert reasons == ["OPENAI_API_KEY is not set", None]
