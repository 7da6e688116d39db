"""What is recorded and charged when a provider does not count: estimates, marked as such."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from omniroute.ledger.record import RequestRecord, parse_line
from tests.chat import (
    ASK,
    COMPLETION,
    DONE,
    STREAM_END,
    STREAM_HEAD,
    USAGE_EVENT,
    answer,
    delta,
    lab,
)
from tests.running import DEADLINE_S, Gateway, running, until
from tests.scripted import CUT, HANG, Script, scripted_upstream

TEXT = "The government presented a bill on Wednesday that is meant to speed up the move. " * 3
TOKENS = 48
"""What OpenAI's o200k vocabulary makes of it."""
WORDS = [f"{word} " for word in TEXT.split()]
SAID = answer(
    200,
    {
        **{name: value for name, value in COMPLETION.items() if name != "usage"},
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": TEXT},
                "finish_reason": "stop",
            }
        ],
    },
)
PIECES = [delta(word) for word in WORDS]
END = [delta(finish="stop"), DONE, STREAM_END]
CHAT: tuple[str, dict[str, Any]] = ("/v1/chat/completions", ASK)
MESSAGES: tuple[str, dict[str, Any]] = ("/v1/messages", {**ASK, "max_tokens": 900})
BUDGET = """
auth: {dashboard: {require_login: false}}
budgets: {all: {scope: global, limit: 1, period: daily}}
"""


def records(gateway: Gateway) -> list[RequestRecord]:
    spool = gateway.folder / "data" / "spool"
    files = [path for path in sorted(spool.rglob("*")) if path.is_file()]
    lines = [line for path in files for line in path.read_bytes().splitlines()]
    return [parse_line(line) for line in lines if line.startswith(b"{")]


async def recorded(gateway: Gateway) -> RequestRecord:
    await until(lambda: bool(records(gateway)))
    return records(gateway)[0]


async def spent_nanousd(gateway: Gateway) -> int:
    """Of the one budget, when nothing is reserved in it any more."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            reply = await gateway.client.get("/api/usage/budget")
            [state] = reply.json()["budgets"]
            if not state["reservedUsd"]:
                return round(state["spentUsd"] * 1e9)


def near(tokens: int | None) -> bool:
    assert tokens is not None
    return tokens == pytest.approx(TOKENS, rel=0.33)


@pytest.mark.parametrize(("path", "body"), [CHAT, MESSAGES], ids=["passed", "translated"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_answer_without_usage_is_estimated_and_paid(
    tmp_path: Path, path: str, body: dict[str, Any], stream: bool
) -> None:
    script: Script = [STREAM_HEAD, *PIECES, *END] if stream else [SAID]
    async with (
        scripted_upstream(script) as upstream,
        running(tmp_path, lab(upstream.url, BUDGET)) as gateway,
    ):
        reply = await gateway.client.post(path, json={**body, "stream": stream})
        assert reply.status_code == 200
        record = await recorded(gateway)
        assert record.usage_estimated
        assert near(record.output)
        assert record.input_uncached is not None
        assert 1 <= record.input_uncached <= 20
        assert record.output is not None
        assert record.cost_nanousd == record.input_uncached * 2000 + record.output * 8000
        assert await spent_nanousd(gateway) == record.cost_nanousd


@pytest.mark.parametrize(
    "script",
    [[answer(200, COMPLETION)], [STREAM_HEAD, *PIECES, delta(finish="stop"), USAGE_EVENT, DONE]],
    ids=["whole", "stream"],
)
async def test_what_the_provider_counted_is_kept(tmp_path: Path, script: Script) -> None:
    async with (
        scripted_upstream([*script, STREAM_END] if len(script) > 1 else script) as upstream,
        running(tmp_path, lab(upstream.url)) as gateway,
    ):
        await gateway.client.post(CHAT[0], json={**ASK, "stream": len(script) > 1})
        record = await recorded(gateway)
        assert not record.usage_estimated
        assert (record.input_uncached, record.cache_read, record.output) == (4, 6, 4)


@pytest.mark.parametrize(("path", "body"), [CHAT, MESSAGES], ids=["passed", "translated"])
async def test_a_broken_stream_is_paid_as_far_as_it_came(
    tmp_path: Path, path: str, body: dict[str, Any]
) -> None:
    async with (
        scripted_upstream([STREAM_HEAD, *PIECES, CUT]) as upstream,
        running(tmp_path, lab(upstream.url, BUDGET)) as gateway,
    ):
        await gateway.client.post(path, json={**body, "stream": True})
        record = await recorded(gateway)
        assert (record.error_class, record.usage_estimated) == ("upstream", True)
        assert near(record.output)
        assert await spent_nanousd(gateway) == record.cost_nanousd


async def test_a_client_that_leaves_pays_what_it_had(tmp_path: Path) -> None:
    async with (
        scripted_upstream([STREAM_HEAD, *PIECES, HANG]) as upstream,
        running(tmp_path, lab(upstream.url, BUDGET)) as gateway,
    ):
        async with gateway.client.stream("POST", CHAT[0], json={**ASK, "stream": True}) as reply:
            lines = reply.aiter_lines()
            while WORDS[-1].strip() not in await anext(lines):
                continue
        record = await recorded(gateway)
        assert (record.error_class, record.usage_estimated) == ("client_closed", True)
        assert record.output is not None
        assert 0 < record.output <= TOKENS * 1.33
        assert await spent_nanousd(gateway) == record.cost_nanousd


async def test_the_client_is_told_no_counts_that_nobody_made(tmp_path: Path) -> None:
    async with (
        scripted_upstream([SAID]) as upstream,
        running(tmp_path, lab(upstream.url)) as gateway,
    ):
        reply: httpx.Response = await gateway.client.post(CHAT[0], json=ASK)
        assert "usage" not in msgspec.json.decode(reply.content)
