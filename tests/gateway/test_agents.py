"""Agents at their defaults: what belongs together stays together, and their headers go along."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from tests.chat import COMPLETION
from tests.running import Gateway, running
from tests.scripted import Recorded, Script, ScriptedUpstream, respond, scripted_upstream

pytestmark = pytest.mark.asyncio(loop_scope="module")
CONFIG = """
version: 1
providers:
  one: &chat
    format: openai-chat
    base_url: {url}
    allow_private_network: true
    models: {{m: {{}}}}
    connections: {{main: {{}}}}
  two: *chat
  three: *chat
  responses:
    format: openai-responses
    base_url: {url}
    allow_private_network: true
    models: {{m: {{}}}}
    connections: {{main: {{}}}}
combos:
  tour: {{strategy: round-robin, targets: [one/m, two/m, three/m]}}
"""
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "m",
    "output": [],
}
OF_CODEX = {
    "originator": "codex_exec",
    "session-id": "01a2",
    "thread-id": "01a2",
    "x-client-request-id": "01a2",
    "x-codex-beta-features": "remote_compaction_v2",
    "x-codex-turn-metadata": '{"session_id":"01a2"}',
    "x-codex-turn-state": "state",
    "x-codex-window-id": "01a2:0",
}


def answer(recorded: Recorded) -> Script:
    if recorded.target.endswith("/responses"):
        return [
            respond(
                json.dumps(RESPONSE).encode(),
                headers=(("x-codex-turn-state", "next"), ("x-else", "no")),
            )
        ]
    return [respond(json.dumps(COMPLETION).encode())]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncGenerator[ScriptedUpstream]:
    async with scripted_upstream(answer) as upstream:
        yield upstream


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(
    upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Gateway]:
    folder = tmp_path_factory.mktemp("agents")
    async with running(folder, CONFIG.format(url=f"{upstream.url}/v1")) as gateway:
        yield gateway


async def places(gateway: Gateway, asks: list[dict[str, Any]], **headers: str) -> list[str]:
    """The providers that answered."""
    found: list[str] = []
    for ask in asks:
        told = await gateway.client.post(
            "/v1/chat/completions", json={"model": "tour", **ask}, headers=headers
        )
        assert told.status_code == 200, told.text
        found.append(told.headers["x-omniroute-provider"])
    return found


def conversation(said: str) -> list[dict[str, Any]]:
    """Its requests, each with the history of those before."""
    history: list[Any] = [{"role": "system", "content": "Be brief."}]
    asks: list[dict[str, Any]] = []
    for turn in range(4):
        history.append({"role": "user", "content": said if turn == 0 else f"{turn}"})
        asks.append({"messages": list(history), "tools": TOOLS})
        history.append({"role": "assistant", "content": "ok"})
    return asks


@pytest.mark.parametrize("header", ["x-session-affinity", "session-id", "X-Claude-Code-Session-Id"])
async def test_a_tools_own_header_keeps_its_session_together(gateway: Gateway, header: str) -> None:
    found: set[str] = set()
    for session in ("a", "b", "c"):
        asks = [{"messages": ask["messages"][:2], "tools": TOOLS} for ask in conversation("Hi.")]
        stays = set(await places(gateway, asks, **{header: session}))
        assert len(stays) == 1
        found |= stays
    assert len(found) == 3  # sessions go round, as the combo says


async def test_an_agent_that_names_no_session_stays_by_how_it_began(gateway: Gateway) -> None:
    stays = [set(await places(gateway, conversation(said))) for said in ("x", "y", "z")]
    assert [len(some) for some in stays] == [1, 1, 1]
    assert len(set[str]().union(*stays)) == 3


async def test_a_chat_without_tools_goes_round(gateway: Gateway) -> None:
    asks = [{"messages": ask["messages"]} for ask in conversation("chat")]
    assert len(set(await places(gateway, asks))) == 3


async def test_what_codex_says_in_headers_goes_to_a_provider_of_its_format_alone(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    for model, wanted in (("responses/m", OF_CODEX), ("one/m", {})):
        told = await gateway.client.post(
            "/v1/responses", json={"model": model, "input": "hi"}, headers=OF_CODEX
        )
        assert told.status_code == 200, told.text
        got = upstream.requests[-1].headers
        assert {name: got[name] for name in OF_CODEX if name in got} == wanted
        assert told.headers.get("x-codex-turn-state") == ("next" if wanted else None)
        assert "x-else" not in told.headers


async def test_codex_reads_a_list_of_models_and_keeps_its_own(gateway: Gateway) -> None:
    told = await gateway.client.get("/v1/models?client_version=0.171.0")
    assert json.loads(told.content)["models"] == []
    assert "one/m" in [row["id"] for row in told.json()["data"]]
