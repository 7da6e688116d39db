"""The published cases of Open Responses (openresponses.org) that ask over HTTP, in front of a
provider of another format. Those over a WebSocket are in `test_sockets`."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.running import Gateway, running
from tests.upstreams.server import running as provider

pytestmark = pytest.mark.asyncio(loop_scope="module")
CONFIG: Final = """
version: 1
providers:
  lab:
    format: anthropic
    base_url: {url}
    allow_private_network: true
    connections: {{main: {{api_key: "${{env:OPEN_LAB_KEY:-good-key}}"}}}}
"""
Types = type | tuple[type, ...]
NULL: Final = type(None)
RESPONSE: Final[dict[str, Types]] = {
    **dict.fromkeys(("id", "object", "status", "model", "service_tier", "truncation"), str),
    **dict.fromkeys(("created_at", "top_logprobs"), int),
    **dict.fromkeys(
        ("top_p", "temperature", "presence_penalty", "frequency_penalty"), (int, float)
    ),
    **dict.fromkeys(("completed_at", "max_output_tokens", "max_tool_calls"), (int, NULL)),
    **dict.fromkeys(("incomplete_details", "error", "reasoning", "usage"), (dict, NULL)),
    **dict.fromkeys(
        ("previous_response_id", "instructions", "safety_identifier", "prompt_cache_key"),
        (str, NULL),
    ),
    **dict.fromkeys(("parallel_tool_calls", "store", "background"), bool),
    **dict.fromkeys(("output", "tools"), list),
    "tool_choice": (str, dict),
    "text": dict,
    "metadata": dict,
}
"""What its schema has in every response."""
ITEMS: Final[dict[str, dict[str, Types]]] = {
    "message": {"id": str, "status": str, "role": str, "content": list},
    "function_call": {"id": str, "call_id": str, "name": str, "arguments": str, "status": str},
}
WEATHER: Final = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the current weather for a location",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string"}},
        "required": ["location"],
    },
}
PICTURE: Final = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content, **more}


CASES: Final[dict[str, tuple[str, list[Any], dict[str, Any], str]]] = {
    "basic-response": ("text", [said("user", "Say hello.")], {}, "message"),
    "assistant-phase": (
        "text",
        [
            said("user", "Look it up."),
            said(
                "assistant",
                [{"type": "output_text", "text": "I look."}],
                phase="commentary",
            ),
            said("user", "And?"),
        ],
        {},
        "message",
    ),
    "system-prompt": (
        "text",
        [said("system", "You are a pirate."), said("user", "Say hello.")],
        {},
        "message",
    ),
    "tool-calling": (
        "tool",
        [said("user", "How is the weather?")],
        {"tools": [WEATHER]},
        "function_call",
    ),
    "image-input": (
        "image",
        [
            said(
                "user",
                [
                    {"type": "input_text", "text": "What do you see?"},
                    {"type": "input_image", "image_url": PICTURE},
                ],
            )
        ],
        {},
        "message",
    ),
    "multi-turn": (
        "text",
        [
            said("user", "My name is Alice."),
            said("assistant", "Hello Alice!"),
            said("user", "What is my name?"),
        ],
        {},
        "message",
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Gateway]:
    async with (
        provider("anthropic") as upstream,
        running(tmp_path_factory.mktemp("open"), CONFIG.format(url=upstream.url)) as gateway,
    ):
        yield gateway
        assert upstream.refused == []


def wrong_in(members: dict[str, Any], wanted: dict[str, Types]) -> list[str]:
    return [
        name
        for name, types in wanted.items()
        if name not in members or not isinstance(members[name], types)
    ]


def check(response: dict[str, Any], kind: str) -> None:
    assert wrong_in(response, RESPONSE) == []
    assert (response["object"], response["status"]) == ("response", "completed")
    assert kind in [item["type"] for item in response["output"]]
    for item in response["output"]:
        assert wrong_in(item, ITEMS.get(item["type"], {"id": str})) == []


@pytest.mark.parametrize("name", CASES)
async def test_a_response_is_one_of_the_schema(gateway: Gateway, name: str) -> None:
    model, given, more, kind = CASES[name]
    told = await gateway.client.post(
        "/v1/responses", json={"model": f"lab/{model}", "input": given, **more}
    )
    assert told.status_code == 200, told.text
    check(told.json(), kind)


async def test_streaming_response(gateway: Gateway) -> None:
    told = await gateway.client.post(
        "/v1/responses",
        json={"model": "lab/text", "input": [said("user", "Count to 5.")], "stream": True},
    )
    assert told.headers["content-type"].startswith("text/event-stream")
    frames = [
        frame.partition("data: ")[2] for frame in told.text.split("\n\n") if "data: " in frame
    ]
    events = [json.loads(frame) for frame in frames if frame != "[DONE]"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    for wanted in ("output_item.added", "content_part.added", "output_text.delta"):
        assert f"response.{wanted}" in kinds
    check(events[-1]["response"], "message")
    assert wrong_in(events[0]["response"], RESPONSE) == []


async def test_compact_response_and_compact_missing_model(gateway: Gateway) -> None:
    asked = {"model": "lab/text", "input": [said("user", "Keep this in mind.")]}
    told = await gateway.client.post("/v1/responses/compact", json=asked)
    made = told.json()
    assert (told.status_code, made["object"]) == (200, "response.compaction")
    assert wrong_in(made, {"id": str, "created_at": int, "output": list, "usage": dict}) == []
    told = await gateway.client.post("/v1/responses/compact", json={"input": asked["input"]})
    assert told.status_code == 400
    assert told.json()["error"]["param"] == "model"
