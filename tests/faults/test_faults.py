"""A real gateway before upstreams that fail in every way: what the client sees."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from random import Random
from typing import Final

import httpx
import pytest

from omniroute.routing.breaker import Open
from tests.faults.lab import (
    DONE,
    FAULTS,
    LIMITED,
    MIDWAY,
    STREAM_FAULTS,
    TEXT,
    WHOLE_FAULTS,
    ask,
    piece,
    provider,
    refusal,
    well,
)
from tests.running import Gateway, running, until
from tests.scripted import HANG, Recorded, Script, chunk, chunked_head, scripted_upstream

CASES: Final = [
    *((name, script, stream) for name, script in FAULTS.items() for stream in (False, True)),
    *((name, script, False) for name, script in WHOLE_FAULTS.items()),
    *((name, script, True) for name, script in STREAM_FAULTS.items()),
]
COMBO: Final = """
combos:
  c: {targets: [bad/m, good/m]}
"""
STAMPEDE: Final = 150  # tests/routing has the 500; here each one is a socket
ONCE: Final = "resilience: {retry: {attempts: 1}}\n"


async def post(gateway: Gateway, model: str, *, stream: bool = False) -> httpx.Response:
    return await gateway.client.post("/v1/chat/completions", json=ask(model, stream=stream))


def is_good(reply: httpx.Response, *, stream: bool) -> bool:
    if reply.status_code != 200 or TEXT not in reply.text:
        return False
    return not stream or reply.text.rstrip().endswith("data: [DONE]")


@pytest.mark.parametrize(
    ("script", "stream"),
    [
        pytest.param(script, stream, id=f"{name}{' streamed' if stream else ''}")
        for name, script, stream in CASES
    ],
)
async def test_another_route_answers(tmp_path: Path, script: Script, *, stream: bool) -> None:
    async with scripted_upstream(script) as bad, scripted_upstream(well) as good:
        text = "providers:" + provider("bad", bad.url) + provider("good", good.url) + COMBO + ONCE
        async with running(tmp_path, text) as gateway:
            reply = await post(gateway, "c", stream=stream)
            assert is_good(reply, stream=stream), reply.text
            assert reply.headers["X-OmniRoute-Provider"] == "good"
            assert reply.headers["X-OmniRoute-Attempts"] == "2"
            assert (len(bad.requests), len(good.requests)) == (1, 1)


@pytest.mark.parametrize("script", LIMITED.values(), ids=LIMITED.keys())
async def test_a_limit_is_learned(tmp_path: Path, script: Script) -> None:
    async with scripted_upstream(script) as bad, scripted_upstream(well) as good:
        text = "providers:" + provider("bad", bad.url) + provider("good", good.url) + COMBO
        async with running(tmp_path, text) as gateway:
            for _ in range(3):
                assert is_good(await post(gateway, "c"), stream=False)
            assert len(bad.requests) == 1
            alone = await post(gateway, "bad/m")
            assert alone.status_code == 429
            assert 300 < int(alone.headers["Retry-After"]) <= 600
            assert len(bad.requests) == 1


@pytest.mark.parametrize("script", MIDWAY.values(), ids=MIDWAY.keys())
async def test_a_stream_that_breaks_ends_in_an_error(tmp_path: Path, script: Script) -> None:
    seen = asyncio.Event()
    begun: Script = [chunked_head(), chunk(piece("all")), seen, *script]
    async with scripted_upstream(begun) as bad, scripted_upstream(well) as good:
        text = "providers:" + provider("bad", bad.url) + provider("good", good.url) + COMBO
        async with running(tmp_path, text) as gateway:
            body = ask("c", stream=True)
            async with gateway.client.stream("POST", "/v1/chat/completions", json=body) as reply:
                assert reply.status_code == 200
                got = ""
                async for text in reply.aiter_text():
                    got += text
                    seen.set()
            assert '"all"' in got
            assert '"error"' in got
            assert DONE.decode().strip() not in got
            assert (len(bad.requests), len(good.requests)) == (1, 0)


@pytest.mark.parametrize("stream", [False, True])
async def test_one_deadline_for_all_attempts(tmp_path: Path, *, stream: bool) -> None:
    async with scripted_upstream([HANG]) as bad:
        names = [f"p{at}" for at in range(8)]
        text = (
            "server: {request_timeout: 1s}\nproviders:"
            + "".join(provider(name, bad.url) for name in names)
            + "\ncombos:\n  c: {max_attempts: 8, targets: "
            + f"[{', '.join(f'{name}/m' for name in names)}]}}\n"
        )
        async with running(tmp_path, text) as gateway:
            began = time.monotonic()
            reply = await post(gateway, "c", stream=stream)
            assert time.monotonic() - began < 2.0
            assert reply.status_code == 504
            assert 3 <= len(bad.requests) <= 5


async def test_a_clients_mistake_is_told_in_the_providers_words(tmp_path: Path) -> None:
    script = refusal(400, message="temperature is too hot")
    async with scripted_upstream(script) as bad, scripted_upstream(well) as good:
        text = "providers:" + provider("bad", bad.url) + provider("good", good.url) + COMBO
        async with running(tmp_path, text) as gateway:
            reply = await post(gateway, "c")
            assert reply.status_code == 400
            assert reply.json()["error"]["message"] == "temperature is too hot"
            assert len(good.requests) == 0


async def test_the_last_error_lists_every_attempt(tmp_path: Path) -> None:
    async with (
        scripted_upstream(refusal(429, ("retry-after", "50"))) as one,
        scripted_upstream(refusal(529)) as two,
    ):
        text = (
            "providers:"
            + provider("one", one.url)
            + provider("two", two.url)
            + ONCE
            + "combos:\n  c: {targets: [one/m, two/m]}\n"
        )
        async with running(tmp_path, text) as gateway:
            reply = await post(gateway, "c")
            assert reply.status_code == 429
            assert 45 <= int(reply.headers["Retry-After"]) <= 50
            message = reply.json()["error"]["message"]
            assert "one/m via default: rate_limit (429)" in message
            assert "two/m via default: overloaded (529)" in message


CONNECTIONS: Final = tuple(f"c{at}" for at in range(6))
POOL: Final = "    balance: round-robin\n    connections:\n" + "".join(
    f"      {name}: {{headers: {{X-Conn: {name}}}}}\n" for name in CONNECTIONS
)


@pytest.mark.parametrize("seed", [1, 2])
async def test_half_of_the_connections_failing_in_turn(tmp_path: Path, seed: int) -> None:
    """Mixed load; every round another half fails, each request in its own way."""
    rng = Random(seed)  # noqa: S311 - the same faults in every run
    down: set[str] = set()
    whole, streamed = [*FAULTS.values()], [*FAULTS.values(), *STREAM_FAULTS.values()]
    # A refused credential or a long limit takes a connection out for good; that is another test.
    lasting = [*LIMITED.values(), FAULTS["401"], FAULTS["403"]]

    def serve(request: Recorded) -> Script:
        if request.headers["x-conn"] not in down:
            return well(request)
        ways = streamed if request.json()["stream"] else whole
        return rng.choice([way for way in ways if way not in lasting])

    async with scripted_upstream(serve) as upstream:
        rules = (
            "resilience: {breaker: {failures: 3, open: 200ms},"
            " cooldown: {error: 200ms, rate_limited: 200ms}}\n"
        )
        text = "providers:" + provider("p", upstream.url, more=POOL) + rules
        async with running(tmp_path, text) as gateway:
            total = 0
            for at in range(6):
                half = CONNECTIONS[: len(CONNECTIONS) // 2]
                down = set(half if at % 2 else set(CONNECTIONS) - set(half))
                streams = [rng.random() < 0.5 for _ in range(25)]
                async with asyncio.TaskGroup() as group:
                    tasks = [
                        group.create_task(post(gateway, "p/m", stream=stream)) for stream in streams
                    ]
                for task, stream in zip(tasks, streams, strict=True):
                    reply = task.result()
                    assert is_good(reply, stream=stream), (reply.status_code, reply.text)
                total += len(streams)
            # Each request may meet every failing connection once; repeats come out of the budget.
            assert len(upstream.requests) <= total * (1 + len(CONNECTIONS) // 2) * 1.2 + 20


async def test_only_a_probe_reaches_a_provider_that_recovers(tmp_path: Path) -> None:
    healthy = asyncio.Event()
    broken = True

    def serve(request: Recorded) -> Script:
        return refusal(500) if broken else [healthy, *well(request)]

    async with scripted_upstream(serve) as upstream:
        rules = (
            "resilience: {retry: {attempts: 1}, cooldown: {error: 0s},"
            " breaker: {failures: 3, open: 60s, half_open_probes: 1},"
            " queue: {max_wait: 60s}}\n"
        )
        # All of them connect in the same moment, which on a busy machine takes a while.
        quick = provider("p", upstream.url).replace("300ms", "20s").replace("2s", "20s", 1)
        async with running(tmp_path, "providers:" + quick + rules) as gateway:
            for _ in range(3):
                assert (await post(gateway, "p/m")).status_code == 500
            assert len(upstream.requests) == 3
            broken = False
            health = gateway.runtime.live.models["p/default/m"]
            assert isinstance(health.breaker, Open)
            # Its time is over: set back, instead of waiting for it.
            health.breaker, health.blocked_until_s = Open(until_s=0.0), 0.0
            probe = asyncio.create_task(post(gateway, "p/m"))
            await upstream.received(4)
            many = httpx.AsyncClient(
                base_url=gateway.url, timeout=60, limits=httpx.Limits(max_connections=None)
            )
            async with many:
                body = ask("p/m", stream=False)
                stampede = [
                    asyncio.create_task(many.post("/v1/chat/completions", json=body))
                    for _ in range(STAMPEDE)
                ]
                await until(lambda: len(health.waiting) == STAMPEDE)
                assert len(upstream.requests) == 4
                healthy.set()
                assert is_good(await probe, stream=False)
                replies = await asyncio.gather(*stampede)
            assert [reply.text for reply in replies if not is_good(reply, stream=False)] == []
            assert len(upstream.requests) == 4 + STAMPEDE
