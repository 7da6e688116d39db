"""Which of a client's headers a provider gets, and how a client hears what its provider did not."""

from __future__ import annotations

from pathlib import Path

from tests.chat import answer
from tests.running import running
from tests.scripted import scripted_upstream
from tests.upstreams import server

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
CHAT = {"model": "up/m", "messages": [{"role": "user", "content": "hi"}]}
ASK = {**CHAT, "max_tokens": 9}
SENT = {"anthropic-beta": "context-management-2025-06-27", "x-app": "cli", "cookie": "a=b"}


def config(url: str, *, headers: str = "{}") -> str:
    return f"""
version: 1
providers:
  up:
    format: anthropic
    base_url: {url}
    allow_private_network: true
    headers: {headers}
    connections: {{main: {{api_key: "${{env:HOME}}"}}}}
"""


async def test_the_betas_go_with_the_body_that_needs_them(tmp_path: Path) -> None:
    async with (
        scripted_upstream([answer(200, MESSAGE)]) as upstream,
        running(tmp_path, config(upstream.url)) as gateway,
    ):
        reply = await gateway.client.post("/v1/messages?beta=true", json=ASK, headers=SENT)
        assert reply.status_code == 200, reply.text
        received = upstream.requests[0].headers
        assert received["anthropic-beta"] == SENT["anthropic-beta"]
        assert not {"x-app", "cookie"} & received.keys()


async def test_the_operators_betas_join_the_clients(tmp_path: Path) -> None:
    text = "{Anthropic-Beta: ours-2026-01-01}"
    async with (
        scripted_upstream([answer(200, MESSAGE)] * 2) as upstream,
        running(tmp_path, config(upstream.url, headers=text)) as gateway,
    ):
        await gateway.client.post("/v1/messages", json=ASK, headers=SENT)
        await gateway.client.post("/v1/messages", json=ASK)
        betas = [request.headers["anthropic-beta"] for request in upstream.requests]
        assert betas == [f"{SENT['anthropic-beta']},ours-2026-01-01", "ours-2026-01-01"]


async def test_a_translated_body_takes_no_header_along(tmp_path: Path) -> None:
    async with (
        scripted_upstream([answer(200, MESSAGE)]) as upstream,
        running(tmp_path, config(upstream.url)) as gateway,
    ):
        reply = await gateway.client.post("/v1/chat/completions", json=CHAT, headers=SENT)
        assert reply.status_code == 200, reply.text
        assert "anthropic-beta" not in upstream.requests[0].headers


async def test_what_was_dropped_is_told_in_the_answers_head(tmp_path: Path) -> None:
    async with (
        scripted_upstream([answer(200, MESSAGE)]) as upstream,
        running(tmp_path, config(upstream.url)) as gateway,
    ):
        ask = {**CHAT, "seed": 7}
        reply = await gateway.client.post("/v1/chat/completions", json=ask)
        assert reply.headers["x-omniroute-dropped"] == "seed"


async def test_a_stream_tells_what_was_dropped_too(tmp_path: Path) -> None:
    async with (
        server.running("anthropic") as upstream,
        running(tmp_path, config(upstream.url)) as gateway,
    ):
        ask = {**CHAT, "model": "up/text", "seed": 7, "stream": True}
        reply = await gateway.client.post("/v1/chat/completions", json=ask)
        assert "Hello" in reply.text
        assert reply.headers["x-omniroute-dropped"] == "seed"
