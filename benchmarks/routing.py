"""CPU time of planning a combo of ten targets, for each strategy: python -m benchmarks.routing."""

from __future__ import annotations

import sys
import time
from random import Random
from typing import Final, get_args

from omniroute.config.model import Combo, Config, Connection, Model, Provider, StrategyName, Target
from omniroute.routing.index import compile_index
from omniroute.routing.live import LiveState
from omniroute.routing.plan import RouteFacts, plan
from omniroute.routing.resolve import resolve

TARGETS: Final = 10
ROUNDS: Final = 20_000


def microseconds(strategy: StrategyName) -> float:
    """Per plan, with health records for every target as in a running gateway."""
    providers = {
        f"p{at}": Provider(
            id=f"p{at}",
            format="openai-chat",
            base_url="https://p.example/v1",
            connections={"main": Connection(id="main")},
            models={"m": Model(id="m", context_window=1000, capabilities=("tools",))},
        )
        for at in range(TARGETS)
    }
    targets = tuple(Target(model=f"{name}/m") for name in providers)
    combos = {"c": Combo(id="c", strategy=strategy, targets=targets)}
    index = compile_index(Config(providers=providers, combos=combos))
    live, rng = LiveState(), Random(1)  # noqa: S311 - the same draws in every run
    for candidate in index.candidates():
        lease = live.begin(candidate, 0.0)
        if lease is not None:
            live.answered(lease, 0.1)
    resolved = resolve(index, "c")
    facts = RouteFacts(input_tokens=100, output_tokens=100, needs=frozenset({"tools"}))
    began_s = time.process_time()
    for _ in range(ROUNDS):
        plan(resolved, facts, live, now_s=1.0, rng=rng)
    return (time.process_time() - began_s) / ROUNDS * 1e6


if __name__ == "__main__":
    for name in get_args(StrategyName):
        sys.stdout.write(f"{name:18} {microseconds(name):5.1f} µs\n")
