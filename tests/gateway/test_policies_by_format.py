"""Every action of a policy, from clients of every format to providers of every format."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from tests.matrix.bench import PROVIDER
from tests.running import Gateway, running
from tests.upstreams import server
from tests.upstreams.seen import Seen
from tests.upstreams.server import Upstream

POLICIES: Final = """
version: 1
policies:
  - {id: closed, when: "request.headers.\\"x-case\\" == 'deny'", action: deny, message: not today}
  - id: ticket
    when: "request.headers.\\"x-case\\" == 'require'"
    action: require
    require: request.headers."x-ticket"
    message: bring a ticket
  - id: aside
    when: "request.headers.\\"x-case\\" == 'route'"
    action: route
    to: up-gemini/unicode
  - {id: care, when: "request.headers.\\"x-case\\" == 'warn'", action: warn, message: take care}
  - id: once
    when: "starts_with(not_null(request.headers.\\"x-case\\", ''), 'limit')"
    action: limit
    limit: {requests: 1/h}
  - id: house
    when: "request.headers.\\"x-case\\" == 'set'"
    action: set
    values: {max_tokens: 33, temperature: 0.25, system_prompt: "'Say moo.'"}
  - id: first
    when: "request.headers.\\"x-case\\" == 'prepend'"
    action: set
    values: {system.prepend: "'First.'"}
  - id: last
    when: "request.headers.\\"x-case\\" == 'append'"
    action: set
    values: {system.append: "'Last.'"}
"""
USER: Final = {"role": "user", "content": "Hi"}
SYSTEM: Final = {"role": "system", "content": "Be brief."}
ASKED: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "openai-chat": ("/v1/chat/completions", {"messages": [SYSTEM, USER], "max_tokens": 99}),
    "openai-responses": (
        "/v1/responses",
        {"instructions": "Be brief.", "input": "Hi", "max_output_tokens": 99},
    ),
    "anthropic": ("/v1/messages", {"system": "Be brief.", "messages": [USER], "max_tokens": 99}),
    "gemini": (
        "/v1beta/models/{model}:generateContent",
        {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
            "generationConfig": {"maxOutputTokens": 99},
        },
    ),
    "ollama": (
        "/api/chat",
        {"messages": [SYSTEM, USER], "options": {"num_predict": 99}, "stream": False},
    ),
}
CLIENTS: Final = tuple(ASKED)
pytestmark = pytest.mark.asyncio(loop_scope="module")


class Bench:
    def __init__(self, gateway: Gateway, upstreams: Mapping[str, Upstream]) -> None:
        self._client = gateway.client
        self._upstreams = upstreams

    async def ask(self, client: str, upstream: str, case: str, **more: str) -> httpx.Response:
        path, body = ASKED[client]
        model = f"up-{upstream}/text"
        self._upstreams[upstream].forget()
        return await self._client.post(
            path.format(model=model),
            json=body if client == "gemini" else {**body, "model": model},
            headers={"x-case": case} | {f"x-{name}": value for name, value in more.items()},
        )

    def seen(self, upstream: str) -> list[Seen]:
        return self._upstreams[upstream].seen


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Bench]:
    async with AsyncExitStack() as stack:
        upstreams = {
            name: await stack.enter_async_context(server.running(name)) for name in CLIENTS
        }
        text = POLICIES + "providers:\n"
        for name, upstream in upstreams.items():
            text += PROVIDER.format(name=name, url=upstream.url)
        folder = tmp_path_factory.mktemp("policies")
        yield Bench(await stack.enter_async_context(running(folder, text)), upstreams)


def told(client: str, reply: httpx.Response) -> tuple[str, str | int]:
    """The message in the client's own envelope, and the class that its SDK goes by."""
    body: Any = reply.json()
    match client:
        case "anthropic":
            return body["error"]["message"], body["error"]["type"]
        case "gemini":
            return body["error"]["message"], body["error"]["status"]
        case "ollama":
            return body["error"], reply.status_code
        case _:
            return body["error"]["message"], body["error"]["code"]


REFUSED: Final[Mapping[str, str | int]] = {
    "openai-chat": "policy_denied",
    "openai-responses": "policy_denied",
    "anthropic": "permission_error",
    "gemini": "PERMISSION_DENIED",
    "ollama": 403,
}
LIMITED: Final[Mapping[str, str | int]] = {
    "openai-chat": "rate_limit_exceeded",
    "openai-responses": "rate_limit_exceeded",
    "anthropic": "rate_limit_error",
    "gemini": "RESOURCE_EXHAUSTED",
    "ollama": 429,
}


@pytest.mark.parametrize("client", CLIENTS)
async def test_deny(bench: Bench, client: str) -> None:
    reply = await bench.ask(client, "anthropic", "deny")
    assert reply.status_code == 403
    assert told(client, reply) == ("not today", REFUSED[client])
    assert bench.seen("anthropic") == []


@pytest.mark.parametrize("client", CLIENTS)
async def test_require(bench: Bench, client: str) -> None:
    reply = await bench.ask(client, "anthropic", "require")
    assert reply.status_code == 403
    assert told(client, reply) == ("bring a ticket", REFUSED[client])
    assert (await bench.ask(client, "anthropic", "require", ticket="7")).status_code == 200


@pytest.mark.parametrize("client", CLIENTS)
async def test_route(bench: Bench, client: str) -> None:
    reply = await bench.ask(client, "anthropic", "route")
    assert (reply.status_code, bench.seen("anthropic")) == (200, [])
    assert reply.headers["x-omniroute-model"] == "up-gemini/unicode"


@pytest.mark.parametrize("client", CLIENTS)
async def test_warn(bench: Bench, client: str) -> None:
    reply = await bench.ask(client, "anthropic", "warn")
    assert (reply.status_code, reply.headers["x-omniroute-warnings"]) == (200, "policy:care")


async def test_limit(bench: Bench) -> None:
    """One window for all: who comes first is served, everybody else is told when to come back."""
    assert (await bench.ask("openai-chat", "anthropic", "limit")).status_code == 200
    for client in CLIENTS:
        reply = await bench.ask(client, "anthropic", "limit")
        assert reply.status_code == 429
        assert 3500 < int(reply.headers["retry-after"]) <= 3600
        message, kind = told(client, reply)
        assert (message.endswith("(policy:once)"), kind) == (True, LIMITED[client])


@pytest.mark.parametrize("upstream", CLIENTS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_set(bench: Bench, client: str, upstream: str) -> None:
    """Also where client and provider speak the same format, and the body passes through."""
    assert (await bench.ask(client, upstream, "set")).status_code == 200
    (seen,) = bench.seen(upstream)
    assert (seen.max_tokens, seen.temperature, seen.system) == (33, 0.25, "Say moo.")
    await bench.ask(client, upstream, "prepend")
    assert bench.seen(upstream)[-1].system.replace("\n", "") == "First.Be brief."
    await bench.ask(client, upstream, "append")
    assert bench.seen(upstream)[-1].system.replace("\n", "") == "Be brief.Last."
