"""Counting tokens: through to the provider, across formats, and by ourselves."""

from __future__ import annotations

from pathlib import Path

import anthropic
import pytest

from tests.running import ECHO, running
from tests.upstreams.server import running as provider


def config(format: str, url: str) -> str:
    return f"""
version: 1
providers:
  lab:
    format: {format}
    base_url: {url}
    allow_private_network: true
    connections: {{main: {{api_key: "${{env:LAB_KEY}}"}}}}
"""


@pytest.mark.parametrize(
    ("format", "by"),
    [
        ("anthropic", "lab"),
        ("gemini", "lab"),
        ("openai-responses", "lab"),
        ("openai-chat", "estimate"),
    ],
)
async def test_the_provider_counts_where_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, by: str
) -> None:
    monkeypatch.setenv("LAB_KEY", "good-key")
    async with (
        provider(format) as upstream,
        running(tmp_path, config(format, upstream.url)) as gateway,
        anthropic.AsyncAnthropic(base_url=gateway.url, api_key="x") as client,
    ):
        raw = await client.messages.with_raw_response.count_tokens(
            model="lab/text",
            system="Be brief.",
            messages=[{"role": "user", "content": "How many tokens is this?"}],
            tools=[{"name": "look", "input_schema": {"type": "object", "properties": {}}}],
        )
        assert raw.headers["x-omniroute-token-count"] == by
        assert (await raw.parse()).input_tokens > 0
    assert upstream.refused == []


async def test_gemini_clients_count_as_well(tmp_path: Path) -> None:
    async with running(tmp_path, ECHO) as gateway:
        reply = await gateway.client.post(
            "/v1beta/models/echo:countTokens",
            json={"contents": [{"role": "user", "parts": [{"text": "one two three"}]}]},
        )
        assert reply.json()["totalTokens"] > 2


async def test_a_provider_that_fails_to_count_does_not_fail_the_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with provider("anthropic") as upstream:
        monkeypatch.setenv("LAB_KEY", "bad-key")
        async with running(tmp_path, config("anthropic", upstream.url)) as gateway:
            reply = await gateway.client.post(
                "/v1/messages/count_tokens",
                json={"model": "lab/text", "messages": [{"role": "user", "content": "hi"}]},
            )
    assert reply.status_code == 200
    assert reply.headers["x-omniroute-token-count"] == "estimate"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/messages/count_tokens", {}, "messages"),
        ("/v1/messages/count_tokens", {"messages": []}, "messages"),
        ("/v1/messages/count_tokens", {"messages": "hi"}, "messages"),
        ("/v1/messages/count_tokens", {"messages": [{"role": "king", "content": "hi"}]}, "role"),
        ("/v1beta/models/echo:countTokens", {}, "contents"),
        ("/v1/models/echo:countTokens", {"contents": []}, "contents"),
        ("/v1beta/models/echo:countTokens", {"generateContentRequest": {}}, "contents"),
    ],
)
async def test_what_is_no_request_is_refused_in_the_clients_words(
    tmp_path: Path, body: dict[str, object], path: str, field: str
) -> None:
    async with running(tmp_path, ECHO) as gateway:
        reply = await gateway.client.post(path, json={"model": "echo", **body})
        assert reply.status_code == 400, reply.text
        error = reply.json()["error"]
        assert field in error["message"]
        kind = error["status"] if "countTokens" in path else error["type"]
        assert kind in ("INVALID_ARGUMENT", "invalid_request_error")


async def test_gemini_clients_may_send_the_request_whole(tmp_path: Path) -> None:
    async with running(tmp_path, ECHO) as gateway:
        inner = {"contents": [{"role": "user", "parts": [{"text": "one two three"}]}]}
        path = "/v1beta/models/echo:countTokens"
        plain = await gateway.client.post(path, json=inner)
        reply = await gateway.client.post(path, json={"generateContentRequest": inner})
        assert (reply.status_code, reply.json()) == (200, plain.json())
