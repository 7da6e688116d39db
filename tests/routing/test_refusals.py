"""Refused credentials: how long they rest, what ends that, and who hears of it."""

from __future__ import annotations

from typing import Any

import pytest

from omniroute.config.model import Config, Connection, Cooldown, Ref, Resilience
from omniroute.errors import Kind
from omniroute.routing.health import Change, describe_change, name_of
from omniroute.routing.index import compile_index
from omniroute.routing.live import LiveState
from tests.routing.world import World, failing, provider


class Listening(World):
    """A world with one connection that writes down what changes."""

    def __init__(self, **cooldown: float) -> None:
        resilience = Resilience(cooldown=Cooldown(**cooldown))
        connection = Connection(id="main", api_key=Ref("${env:A}"))
        declared = provider("p", connections=(connection,), resilience=resilience)
        self.config = Config(providers={"p": declared})
        super().__init__(self.config)
        self.heard: list[Change] = []
        self.live = LiveState(on_change=self.heard.append)
        self.live.adopt(self.index, {"p/main": "one"})

    def refuse(self, kind: Kind = "authentication") -> None:
        self.run(lambda _: failing(401, kind), "p/m")

    def rest_s(self) -> float:
        return self.live.connections["p/main"].blocked_until_s - self.now_s

    def words(self) -> list[str]:
        return [f"{name_of(change)}: {describe_change(change)}" for change in self.heard]


def test_each_further_refusal_rests_twice_as_long_up_to_the_longest() -> None:
    world = Listening()
    rests: list[float] = []
    for _ in range(12):
        world.refuse()
        rests.append(world.rest_s())
        world.now_s += rests[-1] + 1
    assert [round(rest) for rest in rests] == [
        *(10, 20, 40, 80, 160, 320, 640, 1280, 2560),
        *(3600, 3600, 3600),
    ]
    assert world.words()[:2] == [
        "p/main: its credential was refused (authentication) and rests for 10 s",
        "p/main: its credential was refused (authentication) and rests for 20 s",
    ]


def test_requests_that_were_under_way_together_are_one_refusal() -> None:
    world = Listening()
    together = [world.start("p/m") for _ in range(5)]
    for attempts in together:
        attempts.next(world.now_s)
    world.now_s += 0.1
    for attempts in together:
        attempts.failed(failing(401, "authentication"), world.now_s)
    assert round(world.rest_s()) == 10
    assert len(world.heard) == 1


def test_an_answer_ends_it_at_once() -> None:
    world = Listening()
    for _ in range(3):
        world.refuse()
        world.now_s += world.rest_s() + 1
    world.run(lambda _: None, "p/m")
    assert world.words()[-1] == "p/main: its credential is accepted again"
    world.refuse()
    assert round(world.rest_s()) == 10


def test_an_answer_to_an_earlier_request_says_nothing() -> None:
    world = Listening()
    early = world.start("p/m")
    early.next(world.now_s)
    world.now_s += 0.1
    world.refuse()
    early.succeeded(world.now_s)
    assert round(world.rest_s()) == 10


def test_a_replaced_credential_is_tried_at_once() -> None:
    world = Listening()
    world.refuse()
    world.live.adopt(world.index, {"p/main": "one"})
    assert not world.plan("p/m").candidates
    world.live.adopt(compile_index(world.config), {"p/main": "two"})
    assert len(world.plan("p/m").candidates) == 1
    assert world.words()[-1] == "p/main: its credential, refused until now, was replaced"


def test_a_refused_model_rests_alone() -> None:
    world = Listening()
    world.refuse("permission")
    assert world.words() == ["p/main/m: its credential was refused (permission) and rests for 10 s"]
    assert len(world.plan("p/other").candidates) == 1
    assert not world.plan("p/m").candidates
    world.now_s += 11
    world.run(lambda _: None, "p/m")
    assert world.words()[-1] == "p/main/m: its credential is accepted again"


def test_breakers_tell_each_step_once() -> None:
    world = Listening()
    for _ in range(5):
        world.run(lambda _: failing(500), "p/m", within_s=0.05)
    world.now_s += 31
    world.run(lambda _: None, "p/m")
    seen: list[Any] = [(change.part, change.state, change.reason) for change in world.heard]
    assert seen == [
        ("breaker", "open", "upstream"),
        ("breaker", "half_open", ""),
        ("breaker", "closed", ""),
    ]


def test_zero_turns_the_rest_off() -> None:
    world = Listening(auth_s=0.0)
    world.refuse()
    assert len(world.plan("p/m").candidates) == 1


@pytest.mark.parametrize("kind", ["authentication", "permission"])
def test_nobody_waits_for_the_end_of_a_refusal(kind: Kind) -> None:
    world = Listening()
    world.refuse(kind)
    began_s = world.now_s
    tried, error = world.run(lambda _: None, "p/m")
    assert (tried, world.now_s) == ([], began_s)
    assert error is not None
    assert (error.status, round(error.retry_after_s or 0)) == (503, 10)
