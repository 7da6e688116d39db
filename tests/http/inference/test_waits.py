"""While a request that presses on the loop is served, nobody else waits for long."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from tests.abuse.shapes import CHAT, SHAPES
from tests.running import ECHO, Gateway, running

LONGEST_S: Final = 0.3
"""Beside other tests on two cores; the faults that this is for took a second and more. On a machine
of its own `python -m tests.abuse quadratic` holds the promised 100 ms."""
TRIES: Final = 4
"""The machine has other things to do, too: one try without a long wait shows that none is due."""
EVERY_S: Final = 0.002
MESSAGES: Final = "/v1/messages"


class Waits:
    """The longest time by which the loop was late."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def watch(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in itertools.count():
            due_s = loop.time() + EVERY_S
            await asyncio.sleep(EVERY_S)
            self.longest_s = max(self.longest_s, loop.time() - due_s)


@asynccontextmanager
async def _watched() -> AsyncGenerator[Waits]:
    waits = Waits()
    task = asyncio.create_task(waits.watch())
    try:
        yield waits
    finally:
        task.cancel()


def _asked(**members: Any) -> bytes:
    said = {"role": "user", "content": "hello"}
    return orjson.dumps({"model": "echo", "max_tokens": 9, "messages": [said], **members})


def _shaped(name: str, count: int) -> bytes:
    return orjson.dumps(SHAPES[name].body(count) | {"model": "echo"})


def _turns(count: int) -> list[dict[str, str]]:
    """Of both sides, in turn."""
    return [{"role": ("user", "assistant")[at % 2], "content": f"say {at}"} for at in range(count)]


CASES: Final[dict[str, tuple[str, int, Callable[[], bytes]]]] = {
    "100,000 unknown fields": (
        "/v1/responses",
        400,
        lambda: _shaped("unknown fields", 100_000),
    ),
    "300,000 messages of one role": (CHAT, 400, lambda: _shaped("messages of one role", 300_000)),
    "a model's name of 30 MB": (CHAT, 400, lambda: _asked(model="m" * 30_000_000)),
    "ten million lists": (CHAT, 400, lambda: _asked(x=[])[:-2] + b"[]," * 10_000_000 + b"[]]}"),
    "thirty million levels": (CHAT, 400, lambda: b'{"x":' + b"[" * 30_000_000),
    "25 MB that is no text": (CHAT, 400, lambda: _asked(x="")[:-2] + b"a\xff" * 12_500_000 + b'"}'),
    "25 MB of backslashes": (CHAT, 400, lambda: b'{"x":"' + rb"\\" * 12_500_000 + b'",}'),
    "halves of characters in 25 MB": (
        CHAT,
        200,
        lambda: _asked(x="")[:-2] + (rb"\ud83d" + b"x" * 300) * 80_000 + b'"}',
    ),
    "as many messages as may be": (MESSAGES, 200, lambda: _asked(messages=_turns(9_999))),
    "as many of one role": (
        MESSAGES,
        200,
        lambda: _asked(messages=[{"role": "user", "content": "hello"}] * 10_000),
    ),
    "a text of 25 MB": (
        MESSAGES,
        200,
        lambda: _asked(messages=[{"role": "user", "content": "hello you,\n" * 2_300_000}]),
    ),
    "as many values as may be": (
        CHAT,
        200,
        lambda: _asked(metadata={f"k{at}": {"v": at} for at in range(100_000)}),
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_nobody_waits_for_anothers_large_request(tmp_path: Path, name: str) -> None:
    path, status, make = CASES[name]
    body = make()
    async with running(tmp_path, ECHO) as gateway:
        longest_s = [await _longest_s(gateway, path, status, body)]
        while min(longest_s) > LONGEST_S and len(longest_s) < TRIES:
            longest_s.append(await _longest_s(gateway, path, status, body))
    assert min(longest_s) <= LONGEST_S, longest_s


async def _pieces(body: bytes) -> AsyncGenerator[bytes]:
    """The client's own work is done in the same loop, so that it has to be in small steps."""
    for at in range(0, len(body), 65536):
        yield body[at : at + 65536]


async def _longest_s(gateway: Gateway, path: str, status: int, body: bytes) -> float:
    async with _watched() as waits:
        reply = await gateway.client.post(
            path,
            content=_pieces(body),
            headers={"content-type": "application/json", "content-length": str(len(body))},
        )
    assert reply.status_code == status, reply.text[:300]
    return waits.longest_s
