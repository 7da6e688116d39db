"""Wrong values of known fields, on every path alike: a 400 that names the field, nobody asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from omniroute.translation.values import Endpoint, Failure
from tests.running import running
from tests.translation.tables import formats

CLOSED = "http://127.0.0.1:9"
"""Nobody listens there: a request that gets so far is another error than a 400."""
UPSTREAMS = ("openai-chat", "anthropic", "gemini", "openai-responses", "ollama")
LABS = "version: 1\nproviders:\n" + "".join(
    f"""\
  {format}:
    format: {format}
    base_url: {CLOSED}
    allow_private_network: true
    connections: {{main: {{api_key: "${{env:LAB_KEY:-lab-credential}}"}}}}
    models: {{m: {{}}}}
"""
    for format in UPSTREAMS
)
TURN = {"role": "user", "content": "hi"}
CHAT: dict[str, Any] = {"messages": [TURN]}
SAID: dict[str, Any] = {"contents": [{"parts": [{"text": "hi"}]}]}
WRONG: dict[str, list[tuple[dict[str, Any], str]]] = {
    "openai-chat": [
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": [{"role": "wizard", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": {}}]}, "messages[0].content"),
        ({**CHAT, "temperature": "hot"}, "temperature"),
        ({**CHAT, "max_tokens": -0.5}, "max_tokens"),
        ({**CHAT, "max_tokens": True}, "max_tokens"),
        ({**CHAT, "stream": "yes"}, "stream"),
        ({**CHAT, "tools": {}}, "tools"),
    ],
    "anthropic": [
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({**CHAT, "max_tokens": 1.5}, "max_tokens"),
        ({**CHAT, "tools": [{"name": 5}]}, "tools[0].name"),
        ({**CHAT, "tool_choice": "auto"}, "tool_choice"),
    ],
    "openai-responses": [
        ({"input": {}}, "input"),
        ({"input": [{"role": "wizard", "content": "hi"}]}, "input[0].role"),
        ({"input": "hi", "max_output_tokens": "many"}, "max_output_tokens"),
        ({"input": "hi", "reasoning": {"effort": 5}}, "reasoning.effort"),
    ],
    "gemini": [
        ({}, "contents"),
        ({"contents": []}, "contents"),
        ({"contents": [{"role": "wizard", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"parts": [{"text": 5}]}]}, "contents[0].parts[0].text"),
        (
            {**SAID, "generationConfig": {"temperature": "hot"}},
            "generationConfig.temperature",
        ),
        ({**SAID, "systemInstruction": "be brief"}, "systemInstruction"),
    ],
    "ollama": [
        ({"messages": {}}, "messages"),
        ({"messages": 0}, "messages"),
        ({"messages": [{"role": "wizard", "content": "hi"}]}, "messages[0].role"),
        ({**CHAT, "options": {"temperature": "hot"}}, "options.temperature"),
        ({**CHAT, "stream": "yes"}, "stream"),
    ],
    "openai-completions": [
        ({}, "prompt"),
        ({"prompt": {}}, "prompt"),
        ({"prompt": "hi", "max_tokens": "many"}, "max_tokens"),
        ({"prompt": "hi", "n": 0}, "n"),
    ],
    "ollama-generate": [
        ({"prompt": {}}, "prompt"),
        ({"prompt": "hi", "images": "x"}, "images"),
        ({"prompt": "hi", "stream": 1}, "stream"),
    ],
}
ENDPOINTS = [
    one for one in formats().endpoints if one.act in ("infer", "count") and one.kind is None
]
"""Of chats; test_embeddings has those of vectors."""


def test_every_format_is_tried() -> None:
    assert set(WRONG) == formats().speaking["chat"]


@pytest.mark.parametrize(
    "endpoint", [pytest.param(one, id=f"{one.format} {one.path}") for one in ENDPOINTS]
)
async def test_wrong_values_are_refused_before_anybody_is_asked(
    tmp_path: Path, endpoint: Endpoint
) -> None:
    told = Failure(kind="invalid_request", status=400, message="x")
    envelope = set(orjson.loads(formats().client(endpoint.format).error(told, "req_1")))
    async with running(tmp_path, LABS) as gateway:
        for number, upstream in enumerate(UPSTREAMS):
            model = f"{upstream}/m"
            path = endpoint.path.replace("{model}", model).replace("{provider}", upstream)
            asked = {"model": model, "stream": number % 2 == 0}
            for members, field in WRONG[endpoint.format]:
                reply = await gateway.client.post(path, json={**asked, **members})
                assert reply.status_code == 400, (members, reply.text)
                assert field in reply.text
                assert set(reply.json()) == envelope
            endless = orjson.dumps(asked)[:-1] + b', "x": {"y": [0, -1e400]}}'
            reply = await gateway.client.post(path, content=endless)
            assert (reply.status_code, set(reply.json())) == (400, envelope)
            assert "x.y[1] is a number beyond" in reply.text
