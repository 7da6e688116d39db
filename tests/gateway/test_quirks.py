"""What presets know of servers that are not quite OpenAI: strict ones get what they take."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from tests.chat import COMPLETION, answer
from tests.running import Gateway, running
from tests.scripted import Recorded, Script, ScriptedUpstream, scripted_upstream

pytestmark = pytest.mark.asyncio(loop_scope="module")
CALL = {"id": "toolu_01ABCDEFGHIJ", "name": "f"}
TURNS: list[dict[str, Any]] = [
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": [{"type": "tool_use", "input": {}, **CALL}]},
    {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": CALL["id"], "content": "ok"}],
    },
]
CHAT_TURNS: list[dict[str, Any]] = [
    {"role": "user", "content": "hi"},
    {
        "role": "assistant",
        "content": None,
        "reasoning_content": "hm",
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "ok"},
]
MISTRAL = {
    *("model", "messages", "max_tokens", "random_seed", "stream", "temperature", "tools"),
    *("tool_choice", "stop", "top_p", "response_format", "parallel_tool_calls"),
}
MESSAGE = {"role", "content", "tool_calls", "tool_call_id", "name", "prefix"}


def strict(request: Recorded) -> Script:
    """As Mistral refuses: unknown members, and ids that are not nine letters or digits."""
    body = request.json()
    wrong = [name for name in body if name not in MISTRAL]
    for message in body["messages"]:
        wrong += [name for name in message if name not in MESSAGE]
        ids = [call["id"] for call in message.get("tool_calls") or ()]
        ids += [message["tool_call_id"]] if "tool_call_id" in message else []
        wrong += [one for one in ids if not re.fullmatch("[a-zA-Z0-9]{9}", one)]
    if wrong:
        return [answer(422, {"object": "error", "message": f"extra_forbidden: {wrong}"})]
    return [answer(200, COMPLETION)]


class Lab:
    def __init__(self, gateway: Gateway, upstream: ScriptedUpstream) -> None:
        self.gateway = gateway
        self.upstream = upstream

    async def ask(self, path: str, **body: Any) -> dict[str, Any]:
        """What the server got."""
        reply = await self.gateway.client.post(path, json={"model": "mistral/m", **body})
        assert reply.status_code == 200, reply.text
        return self.upstream.requests[-1].json()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Lab]:
    async with scripted_upstream(strict) as upstream:
        at = f"base_url: {upstream.url}/v1, allow_private_network: true"
        text = (
            "version: 1\n"
            "providers:\n"
            f"  mistral: {{preset: mistral, {at}, connections: {{main: {{api_key: k}}}}}}\n"
        )
        async with running(tmp_path_factory.mktemp("quirks"), text) as gateway:
            yield Lab(gateway, upstream)


async def test_a_translated_request_is_as_the_server_has_it(lab: Lab) -> None:
    sent = await lab.ask("/v1/messages", max_tokens=9, messages=TURNS, metadata={"user_id": "u"})
    assert sent["max_tokens"] == 9
    assert sent["messages"][1]["tool_calls"][0]["id"] == sent["messages"][2]["tool_call_id"]


async def test_a_request_of_the_same_format_is_mended_too(lab: Lab) -> None:
    sent = await lab.ask(
        "/v1/chat/completions", messages=CHAT_TURNS, max_completion_tokens=9, seed=1, store=False
    )
    assert (sent["max_tokens"], sent["random_seed"]) == (9, 1)
    assert sent["messages"][1]["tool_calls"][0]["id"] == sent["messages"][2]["tool_call_id"]
