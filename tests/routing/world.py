"""Small worlds to route in, built as values; and a driver that answers attempts by a script."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from omniroute.config.model import (
    Balance,
    Combo,
    Config,
    Connection,
    Model,
    Price,
    Provider,
    Resilience,
    Sticky,
    StrategyName,
    Target,
)
from omniroute.errors import Kind, RequestError, UpstreamError
from omniroute.routing.attempts import Attempts, GiveUp, Try, Wait
from omniroute.routing.index import ModelIndex, compile_index
from omniroute.routing.live import LiveState
from omniroute.routing.plan import Plan, RouteFacts, plan
from omniroute.routing.resolve import resolve
from omniroute.routing.values import Candidate
from omniroute.translation.values import Failure

Answer = Failure | UpstreamError | None
"""What a candidate does: fail in some way, or (None) answer."""


def provider(
    name: str,
    *models: Model,
    connections: tuple[Connection, ...] = (Connection(id="main"),),
    resilience: Resilience | None = None,
    strict: bool = False,
    balance: Balance = "priority",
) -> Provider:
    return Provider(
        id=name,
        format="openai-chat",
        base_url=f"https://{name}.example/v1",
        connections={connection.id: connection for connection in connections},
        models={model.id: model for model in models or (Model(id="m"),)},
        resilience=resilience,
        strict_models=strict,
        balance=balance,
    )


def priced(dollars_in: int, dollars_out: int) -> Price:
    return Price(input_nanousd=dollars_in * 10**9, output_nanousd=dollars_out * 10**9)


def combo_of(
    size: int,
    strategy: StrategyName = "priority",
    *,
    fallback_on: tuple[str, ...] = ("429", "5xx", "timeout", "connection"),
    max_attempts: int = 100,
    sticky: Sticky | None = None,
    resilience: Resilience | None = None,
) -> Config:
    """Providers p0, p1, … with one model `m` each, and a combo `c` of them all."""
    targets = tuple(Target(model=f"p{at}/m", weight=at + 1) for at in range(size))
    combo = Combo(
        id="c",
        strategy=strategy,
        targets=targets,
        max_attempts=max_attempts,
        fallback_on=fallback_on,
        sticky=sticky,
    )
    providers = {f"p{at}": provider(f"p{at}") for at in range(size)}
    return Config(providers=providers, combos={"c": combo}, resilience=resilience or Resilience())


class World:
    """An index, its live state and a clock."""

    def __init__(self, config: Config, seed: int = 1) -> None:
        self.index: ModelIndex = compile_index(config)
        self.live = LiveState()
        self.live.adopt(self.index)
        self.rng = Random(seed)  # noqa: S311 - spreads load, guards nothing
        self.now_s = 1000.0

    def plan(self, name: str = "c", facts: RouteFacts | None = None) -> Plan:
        resolved = resolve(self.index, name)
        return plan(resolved, facts or RouteFacts(), self.live, now_s=self.now_s, rng=self.rng)

    def models(self, name: str = "c", facts: RouteFacts | None = None) -> list[str]:
        return [candidate.model for candidate in self.plan(name, facts).candidates]

    def start(
        self, name: str = "c", facts: RouteFacts | None = None, *, within_s: float = 600.0
    ) -> Attempts:
        return Attempts(
            self.plan(name, facts),
            self.live,
            now_s=self.now_s,
            deadline_s=self.now_s + within_s,
            rng=self.rng,
        )

    def run(
        self,
        answer: Callable[[Candidate], Answer],
        name: str = "c",
        facts: RouteFacts | None = None,
        *,
        takes_s: float = 0.01,
        within_s: float = 600.0,
    ) -> tuple[list[str], RequestError | None]:
        """Drive one request to its end: the keys tried in order, and the error if there is one."""
        attempts = self.start(name, facts, within_s=within_s)
        tried: list[str] = []
        for _ in range(1000):
            match attempts.next(self.now_s):
                case Wait(seconds=seconds):
                    self.now_s += seconds
                case GiveUp(error=error):
                    return tried, error
                case Try(candidate=candidate):
                    tried.append(candidate.key)
                    self.now_s += takes_s
                    said = answer(candidate)
                    if said is None:
                        attempts.succeeded(self.now_s)
                        return tried, None
                    attempts.failed(said, self.now_s)
        raise AssertionError("the attempts never end")


def failing(status: int, kind: Kind = "upstream", *, retry_after_s: float | None = None) -> Failure:
    return Failure(kind=kind, status=status, message=f"says {status}", retry_after_s=retry_after_s)
