"""Many reloads under constant mixed load, every tenth broken: nobody notices."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import psutil

from omniroute.active.snapshot import Snapshot
from tests.running import ECHO, Gateway, running

RELOADS = 200
GROWTH_BYTES = 24 << 20  # allocator slack
WINDOW = RELOADS // 5
KEPT = 3
"""Snapshots: the one in force, one that a request may still run on, one that was made last."""


QUIET = "reload: {watch: false}\n"  # each reload is asked for here, so that none is left out


def config(number: int) -> str:
    if number % 10 == 9:
        return "version: 1\nproviders: {echo: {preset: none-such}}\n"
    extra = "".join(f"  p{n}: {{preset: echo}}\n" for n in range(number % 7))
    return ECHO + extra + QUIET


def snapshots() -> int:
    """How many there are in this process, those of other tests with them."""
    gc.collect()
    return sum(type(one) is Snapshot for one in gc.get_objects())


async def ask(gateway: Gateway, failures: list[str], *, stream: bool) -> None:
    body = {
        "model": "echo/echo",
        "stream": stream,
        "messages": [{"role": "user", "content": "one two three"}],
    }
    reply = await gateway.client.post("/v1/chat/completions", json=body)
    whole = reply.text.endswith("data: [DONE]\n\n") if stream else "choices" in reply.text
    if reply.status_code != 200 or not whole:
        failures.append(f"{reply.status_code} {reply.text[:200]}")


async def test_no_request_fails_and_memory_stays(tmp_path: Path) -> None:
    failures: list[str] = []
    served = 0
    before = snapshots()
    async with running(tmp_path, ECHO + QUIET) as gateway:
        stop = asyncio.Event()

        async def client(number: int) -> None:
            nonlocal served
            while not stop.is_set():
                await ask(gateway, failures, stream=number % 2 == 0)
                served += 1

        async with asyncio.TaskGroup() as group:
            for number in range(6):
                group.create_task(client(number))
            process = psutil.Process()
            memory: list[int] = []
            for number in range(RELOADS):
                gateway.save(config(number))
                status = await gateway.runtime.reloader.reload("test")
                assert status.ok is (number % 10 != 9)
                memory.append(process.memory_info().rss)
            stop.set()
        kept = snapshots() - before
    assert failures == []
    assert served >= RELOADS // 2
    # The least of many: a drain takes some 25 MB for a moment.
    assert min(memory[-WINDOW:]) - min(memory[RELOADS // 3 :][:WINDOW]) < GROWTH_BYTES
    assert kept <= KEPT
