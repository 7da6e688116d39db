"""CPU of one admission: a key, 20 policies, 3 budgets and limits on the memory store.

    python -m benchmarks.admission

Prints microseconds of CPU per request for each step, the median of several rounds. The store runs
as it does when serving one worker, its journal on disk included. The bound is 25 µs.
"""

from __future__ import annotations

import asyncio
import hashlib
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import click

from omniroute.admission.gate import (
    AdmissionPlan,
    compile_admission,
    decide,
    identify,
    reservation,
)
from omniroute.admission.values import Admit, Caller, RequestFacts
from omniroute.config.model import Auth, Budget, Config, IpFilter, Key, KeyRateLimit, Policy
from omniroute.state.memory import MemoryStore
from omniroute.state.store import Taken

T = TypeVar("T")

ROUNDS: Final = 15
REQUESTS: Final = 1_000
SECRET: Final = "sk-or-" + "x" * 40
NOW: Final = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
NOW_S: Final = NOW.timestamp()
HUGE: Final = 10**15

CONDITIONS: Final = (
    "tags.env == 'prod' && starts_with(request.model, 'cc/')",
    "request.model == 'smart' && (now.hour < `8` || now.hour >= `20`)",
    "tags.team == 'interns'",
    "usage.input_tokens_estimate > `100000`",
    "request.stream && request.format == 'anthropic'",
)


def governed(keys: int) -> Config:
    """`keys` keys, 20 policies of which none takes part, 3 budgets, windows and slots."""
    limit = KeyRateLimit(requests=(HUGE, 60.0), tokens=(HUGE, 86400.0), concurrent=HUGE)
    declared = {
        f"k{index}": Key(
            id=f"k{index}",
            hashes=(hashlib.sha256(f"{index}".encode()).hexdigest(),),
        )
        for index in range(keys - 1)
    }
    declared["ci"] = Key(
        id="ci",
        hashes=(hashlib.sha256(SECRET.encode()).hexdigest(),),
        tags={"team": "platform", "env": "ci"},
        models=("openai/*", "smart"),
        rate_limit=limit,
    )
    scopes = {"all": ("global",), "key": ("key", "ci"), "tag": ("tag", "team", "platform")}
    return Config(
        auth=Auth(require_api_key=True),
        keys=declared,
        policies=tuple(
            Policy(id=f"p{index}", action="deny", when=CONDITIONS[index % len(CONDITIONS)])
            for index in range(20)
        ),
        ip_filter=IpFilter(mode="allow", allow=("10.0.0.0/8",)),
        budgets={
            name: Budget(id=name, scope=scope, limit_nanousd=HUGE, period="daily")
            for name, scope in scopes.items()
        },
    )


def facts(caller: Caller) -> RequestFacts:
    return RequestFacts(
        caller=caller,
        ip="10.0.0.7",
        path="/v1/chat/completions",
        format="openai-chat",
        model="smart",
        headers={"user-agent": "bench", "content-type": "application/json"},
        input_tokens_estimate=500,
        max_output_tokens=256,
    )


async def admit_once(plan: AdmissionPlan, store: MemoryStore) -> Taken:
    """Everything from the presented key to the granted reservation, and its settlement."""
    caller = identify(plan, SECRET, ip="10.0.0.7", surface="inference", now=NOW)
    admit = expect(decide(plan, facts(expect(caller, Caller)), NOW), Admit)
    asked = reservation(
        plan,
        admit,
        input_tokens=500,
        output_tokens=256,
        cost_nanousd=1_000_000,
        now=NOW,
    )
    return expect(await store.take(asked, NOW_S), Taken)


def expect(value: object, kind: type[T]) -> T:
    """A benchmark of refusals would be fast, and wrong."""
    if not isinstance(value, kind):
        raise TypeError(value)
    return value


async def measure(work: Callable[[], Awaitable[object]]) -> float:
    """Median microseconds of CPU per call."""
    rounds = list[float]()
    for _ in range(ROUNDS):
        start_s = time.process_time()
        for _ in range(REQUESTS):
            await work()
        rounds.append((time.process_time() - start_s) / REQUESTS * 1e6)
    return statistics.median(rounds)


async def compare(folder: Path) -> dict[str, float]:
    """Microseconds by what was measured."""
    plan, many = compile_admission(governed(10)), compile_admission(governed(50_000))
    off = compile_admission(Config())
    journaled, bare = MemoryStore(folder), MemoryStore()
    asked = facts(expect(off.keys.identify(None, NOW), Caller))

    async def nothing() -> None:
        expect(decide(off, asked, NOW), Admit)

    async def whole(plan: AdmissionPlan, store: MemoryStore) -> None:
        taken = await admit_once(plan, store)
        await store.settle(taken, now_s=NOW_S, tokens=700, cost_nanousd=900_000)

    found = {
        "everything off": await measure(nothing),
        "admission, 10 keys": await measure(lambda: admit_once(plan, bare)),
        "admission, 50,000 keys": await measure(lambda: admit_once(many, bare)),
        "admission and settlement": await measure(lambda: whole(plan, bare)),
        "the same, journaled to disk": await measure(lambda: whole(plan, journaled)),
    }
    await journaled.close()
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, micros in asyncio.run(compare(Path(folder))).items():
            click.echo(f"{name:30} {micros:6.1f} µs")


if __name__ == "__main__":
    main()
