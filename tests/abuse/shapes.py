"""Bodies of any size that press on one thing each: what once took quadratic time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from msgspec import Struct

from omniroute.translation.functions import seal

_SAID: Final = "hello there"


class Shape(Struct, frozen=True, kw_only=True):
    """`body` makes a request of the format `client` from how many of the thing there shall be."""

    client: str
    body: Callable[[int], dict[str, Any]]
    path: str
    """Where clients of the format ask; `{model}` stands for the model."""


def _chat(**members: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": _SAID}], **members}


def _calls_back_to_front(count: int) -> dict[str, Any]:
    function = {"name": "look", "arguments": "{}"}
    calls: list[Any] = [
        {"id": f"c{i}", "type": "function", "function": function} for i in range(count)
    ]
    results: list[Any] = [
        {"role": "tool", "tool_call_id": f"c{i}", "content": "x"} for i in range(count)
    ]
    asked: list[Any] = [
        {"role": "user", "content": _SAID},
        {"role": "assistant", "tool_calls": calls},
    ]
    return _chat(messages=[*asked, *reversed(results)])


def _calls_without_ids(count: int) -> dict[str, Any]:
    calls: list[Any] = [{"function": {"name": "look", "arguments": {}}}] * count
    results: list[Any] = [{"role": "tool", "tool_name": "look", "content": "x"}] * count
    asked: list[Any] = [
        {"role": "user", "content": _SAID},
        {"role": "assistant", "tool_calls": calls},
    ]
    return _chat(messages=[*asked, *results])


def _calls_by_name(count: int) -> dict[str, Any]:
    calls: list[Any] = [{"functionCall": {"name": f"look{i}", "args": {}}} for i in range(count)]
    results: list[Any] = [
        {"functionResponse": {"name": f"look{i}", "response": {}}} for i in range(count)
    ]
    return {
        "contents": [
            {"role": "user", "parts": [{"text": _SAID}]},
            {"role": "model", "parts": calls},
            {"role": "user", "parts": results[::-1]},
        ]
    }


def _thoughts(count: int) -> dict[str, Any]:
    thoughts = [{"text": _SAID, "thought": True}] * count
    said = {"role": "user", "parts": [{"text": _SAID}]}
    return {"contents": [said, {"role": "model", "parts": thoughts}, said]}


def _results_without_calls(count: int) -> dict[str, Any]:
    results: list[Any] = [
        {"type": "tool_result", "tool_use_id": f"c{i}", "content": "x"} for i in range(count)
    ]
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": results}]}


def _tool(parameters: dict[str, Any]) -> dict[str, Any]:
    function = {"name": "look", "parameters": parameters}
    return _chat(tools=[{"type": "function", "function": function}])


def _alternatives_in_one(count: int) -> dict[str, Any]:
    parts: list[Any] = [{"properties": {f"p{i}": {}}, "required": [f"p{i}"]} for i in range(count)]
    return _tool({"type": "object", "properties": {}, "required": [], "allOf": parts})


def _references(count: int) -> dict[str, Any]:
    """Each definition names the next one twice."""
    each = {
        f"d{i}": {"properties": {name: {"$ref": f"#/$defs/d{i + 1}"} for name in "ab"}}
        for i in range(count)
    }
    return _tool({"type": "object", "properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": each})


def _details_of_a_thought(count: int) -> dict[str, Any]:
    """A signature as this gateway makes them, of many pieces."""
    detail = {"type": "reasoning.encrypted", "data": "x" * 2000}
    line = orjson.dumps({"provider": "lab", "detail": detail}).decode() + "\n"
    signature = seal({"provider": "lab", "signature": line * count})
    thought = {"type": "thinking", "thinking": "hm", "signature": signature}
    messages = [
        {"role": "user", "content": _SAID},
        {"role": "assistant", "content": [thought, {"type": "text", "text": _SAID}]},
        {"role": "user", "content": _SAID},
    ]
    return {"model": "m", "max_tokens": 9, "messages": messages}


CHAT: Final = "/v1/chat/completions"
SHAPES: Final[Mapping[str, Shape]] = {
    "unknown fields": Shape(
        client="openai-chat",
        path=CHAT,
        body=lambda count: _chat(**{f"field_{i}": 1 for i in range(count)}),
    ),
    "messages of one role": Shape(
        client="openai-chat",
        path=CHAT,
        body=lambda count: _chat(messages=[{"role": "user", "content": _SAID}] * count),
    ),
    "results in the wrong order": Shape(client="openai-chat", path=CHAT, body=_calls_back_to_front),
    "allOf of many": Shape(client="openai-chat", path=CHAT, body=_alternatives_in_one),
    "references that double": Shape(client="openai-chat", path=CHAT, body=_references),
    "results without calls": Shape(
        client="anthropic", path="/v1/messages", body=_results_without_calls
    ),
    "details of a thought": Shape(
        client="anthropic", path="/v1/messages", body=_details_of_a_thought
    ),
    "calls without ids": Shape(client="ollama", path="/api/chat", body=_calls_without_ids),
    "calls found by name": Shape(
        client="gemini", path="/v1beta/models/{model}:generateContent", body=_calls_by_name
    ),
    "thoughts in a row": Shape(
        client="gemini", path="/v1beta/models/{model}:generateContent", body=_thoughts
    ),
}
