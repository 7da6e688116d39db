"""What a stream says before its first word does not bind the gateway to the provider."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from omniroute.gateway.relay import read_until_started
from tests.running import Gateway, running
from tests.scripted import CUT, LAST_CHUNK, Script, Step, chunk, chunked_head, scripted_upstream
from tests.translation.golden import upstream_bytes
from tests.translation.tables import formats, target

HEAD = chunked_head()


def event(kind: str, **members: Any) -> bytes:
    return chunk(f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode())


def delta(index: int, **members: Any) -> bytes:
    return event("content_block_delta", index=index, delta=members)


START = event(
    "message_start",
    message={
        "id": "m1", "type": "message", "role": "assistant", "model": "x", "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 3},
    },
)  # fmt: skip
PING = event("ping")
OPEN = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
HELLO = delta(0, type="text_delta", text="hello")
END = (
    event("content_block_stop", index=0)
    + event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 1})
    + event("message_stop")
)
BUSY = event("error", error={"type": "overloaded_error", "message": "busy"})


def config(first: str, second: str = "", *, format_name: str = "anthropic") -> str:
    """Two servers of one format behind one name."""
    providers = "".join(
        f"""
  {name}:
    format: {format_name}
    base_url: {url}
    allow_private_network: true
    models: {{m: {{max_output_tokens: 100}}}}"""
        for name, url in (("first", first), ("second", second or first))
    )
    return f"""
version: 1
providers:{providers}
resilience: {{retry: {{attempts: 1}}}}
combos:
  both: {{strategy: priority, targets: [first/m, second/m]}}
"""


def ask(model: str) -> dict[str, Any]:
    return {"model": model, "stream": True, "messages": [{"role": "user", "content": "hi"}]}


async def post(gateway: Gateway, model: str) -> Any:
    return await gateway.client.post("/v1/chat/completions", json=ask(model))


def said(text: str) -> str:
    rows = [json.loads(r[6:]) for r in text.splitlines() if r.startswith("data: {")]
    return "".join(c["delta"].get("content") or "" for row in rows for c in row["choices"])


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([HEAD, START, BUSY], id="an error behind the start"),
        pytest.param([HEAD, START, PING, OPEN, PING, BUSY], id="an error in an empty block"),
        pytest.param([HEAD, START, OPEN, CUT], id="a cut before the first word"),
        pytest.param([HEAD, START, OPEN, LAST_CHUNK], id="an end before the first word"),
    ],
)
async def test_a_stream_that_fails_before_its_first_word_falls_back(
    tmp_path: Path, script: Script
) -> None:
    async with (
        scripted_upstream(script) as bad,
        scripted_upstream([HEAD, START, OPEN, HELLO, END, LAST_CHUNK]) as good,
        running(tmp_path, config(bad.url, good.url)) as gateway,
    ):
        reply = await post(gateway, "both")
        assert (reply.status_code, reply.headers["x-omniroute-provider"]) == (200, "second")
        assert said(reply.text) == "hello"
        assert reply.text.count('"role":"assistant"') == 1


def row(content: str, finish: str | None = None) -> bytes:
    """One frame of OpenAI's chat."""
    delta = {"role": "assistant", "content": content}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    data = {"id": "c1", "object": "chat.completion.chunk", "model": "x", "choices": [choice]}
    return chunk(b"data: " + json.dumps(data).encode() + b"\n\n")


def unchunked(data: bytes) -> bytes:
    """What chunks of HTTP hold."""
    held = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        held += data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]
    return held


CHAT_BUSY = chunk(b'data: {"error":{"message":"busy","type":"server_error","code":"x"}}\n\n')
CHAT_END = chunk(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("format_name", "path", "bad", "good"),
    [
        pytest.param(
            *("openai-chat", "/v1/chat/completions"),
            *([row(""), CHAT_BUSY], [row(""), row("hello"), row("", "stop"), CHAT_END]),
            id="chat",
        ),
        pytest.param(
            *("openai-chat", "/v1/chat/completions"),
            *([row(""), CUT], [row("hello"), row("", "stop"), CHAT_END]),
            id="chat, cut",
        ),
        pytest.param(
            *("anthropic", "/v1/messages"),
            *([START, PING, OPEN, PING, BUSY], [START, PING, OPEN, HELLO, END]),
            id="messages",
        ),
    ],
)
async def test_a_stream_of_the_same_format_falls_back_too(
    tmp_path: Path, *, format_name: str, path: str, bad: list[Step], good: list[bytes]
) -> None:
    async with (
        scripted_upstream([HEAD, *bad, LAST_CHUNK]) as failing,
        scripted_upstream([HEAD, *good, LAST_CHUNK]) as upstream,
        running(tmp_path, config(failing.url, upstream.url, format_name=format_name)) as gateway,
    ):
        reply = await gateway.client.post(path, json={**ask("both"), "max_tokens": 9})
        assert (reply.status_code, reply.headers["x-omniroute-provider"]) == (200, "second")
        assert len(failing.requests) == 1
        assert unchunked(b"".join(good)) == reply.content


async def test_the_only_provider_s_early_error_is_an_http_error(tmp_path: Path) -> None:
    async with (
        scripted_upstream([HEAD, START, BUSY]) as bad,
        running(tmp_path, config(bad.url)) as gateway,
    ):
        reply = await post(gateway, "first/m")
        assert reply.status_code == 529
        assert reply.json()["error"]["message"] == "busy"


async def test_the_first_word_is_not_held(tmp_path: Path) -> None:
    hold = asyncio.Event()
    async with (
        scripted_upstream([HEAD, START, OPEN, HELLO, hold, END, LAST_CHUNK]) as upstream,
        running(tmp_path, config(upstream.url)) as gateway,
        gateway.client.stream("POST", "/v1/chat/completions", json=ask("first/m")) as reply,
    ):
        text = ""
        async for part in reply.aiter_text():
            text += part
            if said(text) == "hello":
                hold.set()  # until here the upstream had sent nothing more
        assert text.endswith("data: [DONE]\n\n")


class Pinging:
    """An exchange in which a provider says that it began, and then nothing but that it is alive."""

    status = 200
    headers: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.reads = 0

    async def read(self) -> bytes:
        self.reads += 1
        assert self.reads < 9, "held for ever"
        start = {"type": "message_start", "message": {"id": "m1", "model": "x"}}
        return upstream_bytes("anthropic", [{"type": "ping"} if self.reads > 1 else start])

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_provider_that_only_pings_is_shown_after_a_while() -> None:
    stream = formats().pair("openai-chat", "anthropic").stream({}, target(stream=True))
    held, ended = await read_until_started(Pinging(), stream, str, hold_s=0)
    assert b'"role":"assistant"' in held
    assert (ended, stream.started) == (False, False)
