"""Whatever a client sends, the edge answers it in the client's words, and goes on serving."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final, cast

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.base.bigjson import write_json
from tests.running import DEADLINE_S, served
from tests.translation.test_properties import JSON, REQUESTS, spoiled

ECHOES: Final = """
version: 1
providers:
  echo: {preset: echo}
  away:
    format: gemini
    base_url: http://127.0.0.1:9
    allow_private_network: true
    connections: {main: {api_key: "${env:HOME}"}}
resilience: {retry: {attempts: 0}, breaker: {failures: 0}, cooldown: {error: 0s}}
"""
AWAY: Final = 502
"""A well-formed question for `away` gets as far as its connection, which nobody takes."""
PATHS: Final = {
    "openai-chat": ("/v1/chat/completions", "/v1/providers/echo/chat/completions"),
    "openai-responses": ("/v1/responses",),
    "anthropic": ("/v1/messages", "/v1/messages/count_tokens"),
    "gemini": (
        "/v1beta/models/{model}:generateContent",
        "/v1/models/{model}:streamGenerateContent?alt=sse",
        "/v1beta/models/{model}:streamGenerateContent",
        "/v1beta/models/{model}:countTokens",
    ),
    "ollama": ("/api/chat", "/v1/api/chat", "/api/generate"),
}
EACH: Final = [pytest.param(name, path, id=path) for name in PATHS for path in PATHS[name]]
some = settings(max_examples=settings().max_examples // 8)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Generator[httpx.Client]:
    with (
        served(tmp_path_factory.mktemp("fuzz"), ECHOES) as gateway,
        httpx.Client(base_url=gateway.url, timeout=DEADLINE_S) as client,
    ):
        yield client
        assert gateway.process.poll() is None
        assert "Traceback" not in gateway.log.read_text()


def check(reply: httpx.Response, name: str, model: str) -> None:
    if reply.status_code < 400:
        return
    assert reply.status_code < 500 or (reply.status_code, model) == (AWAY, "away/x"), reply.text
    assert reply.headers["x-request-id"]
    said: Any = reply.json()
    match name:
        case "anthropic":
            assert said["type"] == "error"
            assert said["error"]["message"]
        case "ollama":
            assert isinstance(said["error"], str)
        case "gemini":
            assert said["error"]["code"] == reply.status_code
        case _:
            assert said["error"]["message"]


@pytest.mark.parametrize(("name", "path"), EACH)
@some
@given(data=st.data(), model=st.sampled_from(["echo/echo", "away/x"]), streamed=st.booleans())
def test_any_json_is_answered(
    client: httpx.Client, name: str, path: str, *, data: st.DataObject, model: str, streamed: bool
) -> None:
    body: Any = data.draw(spoiled(REQUESTS[name]) | JSON)
    if isinstance(body, dict) and name != "gemini" and data.draw(st.integers(0, 9)):
        body = {**cast(dict[str, Any], body), "model": model, "stream": streamed}
    reply = client.post(path.format(model=model), content=write_json(body))
    check(reply, name, model)


@pytest.mark.parametrize(("name", "path"), EACH)
@some
@given(content=st.binary(max_size=60))
def test_any_bytes_are_answered(client: httpx.Client, name: str, path: str, content: bytes) -> None:
    reply = client.post(path.format(model="echo/echo"), content=content)
    assert reply.status_code == 400
    check(reply, name, "echo/echo")
