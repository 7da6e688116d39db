"""A format that is only a table beside the configuration: `examples/cohere`, with no Python."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
import pytest_asyncio

from tests import running as gateway
from tests.scripted import (
    LAST_CHUNK,
    Recorded,
    Script,
    ScriptedUpstream,
    chunk,
    chunked_head,
    respond,
    scripted_upstream,
)

EXAMPLE = Path(__file__).parents[3] / "examples" / "cohere"
TOOLS: Any = [
    {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}},
]
USAGE = {"tokens": {"input_tokens": 20, "output_tokens": 9}, "cached_tokens": 8}
CALL = {"id": "look_1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}


def _answer(request: Recorded) -> Script:
    """A Cohere that fits into a test: it calls a tool once, then it speaks."""
    if request.target != "/v2/chat" or request.headers["authorization"] != "Bearer test":
        return [respond(b'{"message":"invalid api token"}', status=401)]
    body = request.json()
    if body["model"] == "unknown":
        return [respond(b'{"message":"model \'unknown\' not found"}', status=404)]
    calls = body["messages"][-1]["role"] != "tool"
    if body.get("stream"):
        return [chunked_head(), *map(_event, _events(calls=calls)), LAST_CHUNK]
    message: dict[str, Any] = {"role": "assistant"}
    if calls:
        message |= {"tool_plan": "I look.", "tool_calls": [CALL]}
    else:
        message["content"] = [{"type": "text", "text": "Done: é."}]
    finish = "TOOL_CALL" if calls else "COMPLETE"
    answer = {"id": "c1", "finish_reason": finish, "message": message, "usage": USAGE}
    return [respond(orjson.dumps(answer))]


def _events(*, calls: bool) -> list[dict[str, Any]]:
    def on(kind: str, **message: Any) -> dict[str, Any]:
        return {"type": kind, "index": 0, "delta": {"message": message}}

    if calls:
        middle = [on("tool-plan-delta", tool_plan="I look.")]
        started = {**CALL, "function": {"name": "look", "arguments": ""}}
        middle.append(on("tool-call-start", tool_calls=started))
        middle += [
            on("tool-call-delta", tool_calls={"function": {"arguments": piece}})
            for piece in ('{"a"', ":1}")
        ]
        middle.append({"type": "tool-call-end", "index": 0})
    else:
        middle = [on("content-start", content={"type": "text", "text": ""})]
        middle += [on("content-delta", content={"text": piece}) for piece in ("Done", ": é.")]
        middle.append({"type": "content-end", "index": 0})
    finish = "TOOL_CALL" if calls else "COMPLETE"
    return [
        {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant"}}},
        *middle,
        {"type": "message-end", "id": "c1", "delta": {"finish_reason": finish, "usage": USAGE}},
    ]


def _event(data: dict[str, Any]) -> bytes:
    return chunk(b"event: %b\ndata: %b\n\n" % (data["type"].encode(), orjson.dumps(data)))


@pytest_asyncio.fixture
async def cohere() -> AsyncGenerator[ScriptedUpstream]:
    async with scripted_upstream(_answer) as upstream:
        yield upstream


@pytest_asyncio.fixture
async def served(
    cohere: ScriptedUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[gateway.Gateway]:
    monkeypatch.setenv("COHERE_API_KEY", "test")
    text = (EXAMPLE / "omniroute.yaml").read_text()
    text = text.replace("https://api.cohere.com", f"{cohere.url}\n    allow_private_network: true")
    text += "  echo: {preset: echo}\n"
    table = (EXAMPLE / "translators" / "cohere.yaml").read_text()
    others = {"translators/cohere.yaml": table}
    async with gateway.running(tmp_path, text, others=others) as running:
        yield running


@pytest_asyncio.fixture
async def client(served: gateway.Gateway) -> AsyncGenerator[Any]:
    async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="k", max_retries=0) as sdk:
        yield sdk


@pytest.mark.asyncio
async def test_a_tool_loop(client: Any, cohere: ScriptedUpstream) -> None:
    messages: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    wish: Any = {"model": "cohere/command-a-03-2025", "tools": TOOLS, "temperature": 0.5}
    told = await client.chat.completions.create(messages=messages, **wish)
    (call,) = told.choices[0].message.tool_calls
    assert told.choices[0].finish_reason == "tool_calls"
    assert told.usage is not None
    assert (told.usage.prompt_tokens, told.usage.completion_tokens) == (20, 9)
    messages += [
        told.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "seen"},
    ]
    told = await client.chat.completions.create(messages=messages, **wish)
    assert (told.choices[0].message.content, told.choices[0].finish_reason) == ("Done: é.", "stop")
    assert cohere.requests[-1].json()["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "tool_plan": "I look.", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "look_1", "content": "seen"},
    ]


@pytest.mark.asyncio
async def test_streams(client: Any) -> None:
    wish: Any = {"model": "cohere/command-a-03-2025", "tools": TOOLS, "stream": True}
    stream = await client.chat.completions.create(
        messages=[{"role": "user", "content": "Hi"}], **wish
    )
    choices: list[Any] = [chunk.choices[0] async for chunk in stream]
    pieces: list[Any] = [call for choice in choices for call in choice.delta.tool_calls or ()]
    assert [piece.id for piece in pieces if piece.id] == ["look_1"]
    assert "".join(piece.function.arguments or "" for piece in pieces) == '{"a":1}'
    assert choices[-1].finish_reason == "tool_calls"

    messages: Any = [{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": [CALL]}]
    messages.append({"role": "tool", "tool_call_id": "look_1", "content": "seen"})
    stream = await client.chat.completions.create(messages=messages, **wish)
    assert "".join([c.choices[0].delta.content or "" async for c in stream]) == "Done: é."


@pytest.mark.asyncio
async def test_errors_keep_their_class(client: Any) -> None:
    with pytest.raises(openai.NotFoundError, match="not found"):
        await client.chat.completions.create(
            model="cohere/unknown", messages=[{"role": "user", "content": "Hi"}]
        )


SDK = {"x-fern-sdk-name": "cohere"}
"""What Cohere's own SDK says of itself."""
HI = {"messages": [{"role": "user", "content": "Hi there"}]}


@pytest.mark.asyncio
async def test_its_own_clients_ask_any_provider(served: gateway.Gateway) -> None:
    ask = {"model": "echo", **HI}
    told = (await served.client.post("/v2/chat", json=ask, headers=SDK)).json()
    assert told["finish_reason"] == "COMPLETE"
    assert told["message"] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "Hi there"}],
    }

    reply = await served.client.post("/v2/chat", json={**ask, "stream": True}, headers=SDK)
    lines = [line for line in reply.text.splitlines() if line.startswith("data: ")]
    events = [orjson.loads(line.removeprefix("data: ")) for line in lines]
    assert (events[0]["type"], events[-1]["type"]) == ("message-start", "message-end")
    pieces = [
        event["delta"]["message"]["content"]["text"]
        for event in events
        if event["type"] == "content-delta"
    ]
    assert "".join(pieces) == "Hi there"


@pytest.mark.asyncio
async def test_between_two_of_its_own_the_body_passes(
    served: gateway.Gateway, cohere: ScriptedUpstream
) -> None:
    ask = {"model": "cohere/command-a-03-2025", **HI, "safety_mode": "OFF"}
    told = (await served.client.post("/v2/chat", json=ask, headers=SDK)).json()
    assert told["message"]["tool_calls"] == [CALL]
    assert cohere.requests[-1].json()["safety_mode"] == "OFF"


@pytest.mark.asyncio
async def test_its_clients_read_their_own_lists_and_errors(served: gateway.Gateway) -> None:
    listed = (await served.client.get("/v1/models", headers=SDK)).json()["models"]
    assert {"name": "echo/echo", "endpoints": ["chat"]} in listed
    assert (await served.client.get("/v1/models")).json()["object"] == "list"
    for path, ask in (("/v2/chat", {"model": "nobody", **HI}), ("/v2/embed", {})):
        reply = await served.client.post(path, json=ask, headers=SDK)
        assert (reply.status_code, set(reply.json())) == (404, {"message", "id"}), path
