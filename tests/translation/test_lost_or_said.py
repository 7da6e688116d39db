"""Lost or said: what a client adds to its request arrives, or is named."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final, cast

import pytest

from tests.translation.tables import formats, target

NAMES: Final = ("openai-chat", "openai-responses", "anthropic", "gemini", "ollama")
PAIRS = [pytest.param(a, b, id=f"{a} to {b}") for a in NAMES for b in NAMES if a != b]
ADDED: Final = "x_added"
PICTURE: Final = "iVBORw0KGgo="
SCHEMA: Final = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
OPEN: Final = {
    *("parameters", "input_schema", "schema", "responseJsonSchema"),
    *("arguments", "input", "args", "response", "metadata"),
}
"""Members that hold a client's own JSON: it is not the format's to know what may stand in it."""
BODIES: Final[dict[str, dict[str, Any]]] = {
    "openai-chat": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}},
                    {
                        "type": "image_url",
                        "image_url": {"url": f"data:image/png;base64,{PICTURE}", "detail": "low"},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"a": "b"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "r"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": SCHEMA, "strict": True},
        },
    },
    "openai-responses": {
        "input": [
            {"type": "message", "role": "developer", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "hi"},
                    {"type": "input_image", "image_url": f"data:image/png;base64,{PICTURE}"},
                ],
            },
            {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
            {
                "type": "function_call_output",
                "call_id": "call_1",
                "output": [{"type": "input_text", "text": "r"}],
            },
        ],
        "tools": [{"type": "function", "name": "f", "parameters": SCHEMA, "strict": False}],
        "tool_choice": {"type": "function", "name": "f"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}},
        "reasoning": {"effort": "low"},
    },
    "anthropic": {
        "max_tokens": 2048,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "hi"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": PICTURE},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_1",
                        "content": [{"type": "text", "text": "r"}],
                    }
                ],
            },
        ],
        "tools": [{"name": "f", "input_schema": SCHEMA}],
        "tool_choice": {"type": "tool", "name": "f"},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
        "thinking": {"type": "adaptive"},
    },
    "gemini": {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "hi"},
                    {"inlineData": {"mimeType": "image/png", "data": PICTURE}},
                ],
            },
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
            {
                "role": "user",
                "parts": [{"functionResponse": {"name": "f", "response": {"output": "r"}}}],
            },
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": SCHEMA}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {
            "temperature": 0.5,
            "responseMimeType": "application/json",
            "responseJsonSchema": SCHEMA,
            "thinkingConfig": {"thinkingBudget": 1024},
        },
    },
    "ollama": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hi", "images": [PICTURE]},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"function": {"name": "f", "arguments": {"a": "b"}}}],
            },
            {"role": "tool", "tool_name": "f", "content": "r"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}],
        "options": {"temperature": 0.5},
    },
}


def objects(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of a body that is the format's own, with the path that leads there."""
    if isinstance(node, dict):
        members = cast("dict[str, Any]", node)
        yield path, members
        for name, value in members.items():
            if name not in OPEN or isinstance(value, list):
                yield from objects(value, f"{path}.{name}" if path else name)
    elif isinstance(node, list):
        for item in cast("list[Any]", node):
            yield from objects(item, f"{path}[]")


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_what_is_added_anywhere_arrives_or_is_named(client: str, upstream: str) -> None:
    pair = formats().pair(client, upstream, "chat")
    body = {"model": "m", **BODIES[client]}
    if upstream == "ollama":  # which cannot be made to call a tool
        body.pop("tool_choice", None)
        body.pop("toolConfig", None)
    plain = pair.request(body, b"", target())
    assert not any(ADDED in name for name in plain.dropped)
    lost: list[str] = []
    for number, (path, _) in enumerate(list(objects(body))):
        changed = deepcopy(body)
        list(objects(changed))[number][1][ADDED] = ADDED
        sent = pair.request(changed, b"", target())
        if ADDED.encode() not in sent.body and not any(ADDED in name for name in sent.dropped):
            lost.append(path)
    assert lost == []
