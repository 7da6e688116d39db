"""The echo provider: what a client of the openai-chat format sees of it."""

from __future__ import annotations

from typing import Any, cast

import orjson
import pytest

from omniroute.upstream.client import Bounds, UpstreamRequest
from omniroute.upstream.echo import MODELS, EchoTransport
from omniroute.upstream.options import TransportOptions
from omniroute.upstream.pool import TransportPool

BOUNDS = Bounds(connect_s=1, first_byte_s=1, idle_s=1)
HELLO = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello,  world\n"}]


async def call(
    body: object, *, path: str = "/chat/completions", method: str = "POST"
) -> tuple[int, bytes]:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    request = UpstreamRequest(method=method, url=f"echo:{path}", headers=(), body=raw)
    exchange = await TransportPool().get(TransportOptions(client="echo")).open(request, BOUNDS)
    parts: list[bytes] = []
    while data := await exchange.read():
        parts.append(data)
    await exchange.close()
    return exchange.status, b"".join(parts)


def ask(**fields: object) -> dict[str, object]:
    return {"model": "echo", "messages": HELLO} | fields


async def answer(**fields: object) -> dict[str, Any]:
    status, raw = await call(ask(**fields))
    assert status == 200
    return cast(dict[str, Any], orjson.loads(raw))


async def events(**fields: object) -> list[dict[str, Any]]:
    _, raw = await call(ask(stream=True, **fields))
    frames = raw.decode().split("\n\n")
    assert frames[-2:] == ["data: [DONE]", ""]
    return [
        cast(dict[str, Any], orjson.loads(frame.removeprefix("data: "))) for frame in frames[:-2]
    ]


async def test_it_repeats_the_last_user_message() -> None:
    reply = await answer()
    assert reply["choices"][0] == {
        "index": 0,
        "message": {"role": "assistant", "content": "Hello,  world\n", "refusal": None},
        "logprobs": None,
        "finish_reason": "stop",
    }
    assert reply["usage"]["prompt_tokens"] == 3 + 4
    assert reply["usage"]["completion_tokens"] == 4
    assert reply["id"] == (await answer())["id"]


async def test_parts_of_a_message_are_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}]
    reply = await answer(messages=[{"role": "user", "content": parts}])
    assert reply["choices"][0]["message"]["content"] == "a\nb"


async def test_a_stream_comes_word_by_word() -> None:
    chunks = await events()
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": "", "refusal": None}
    words = [delta["content"] for delta in deltas[1:-1]]
    assert len(words) > 1
    assert "".join(words) == "Hello,  world\n"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert not any("usage" in chunk for chunk in chunks)


async def test_usage_is_streamed_when_asked_for() -> None:
    chunks = await events(stream_options={"include_usage": True})
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] == 11
    assert all(chunk["usage"] is None for chunk in chunks[:-1])


@pytest.mark.parametrize(
    ("fields", "content", "finish"),
    [
        pytest.param({"max_tokens": 2}, "Hello,  ", "length", id="max_tokens"),
        pytest.param({"max_completion_tokens": 1}, "Hell", "length", id="max_completion_tokens"),
        pytest.param({"max_tokens": 99}, "Hello,  world\n", "stop", id="enough"),
        pytest.param({"stop": "wor"}, "Hello,  ", "stop", id="stop"),
        pytest.param({"stop": ["zz", "lo", "e"]}, "H", "stop", id="first-of-several-stops"),
        pytest.param(
            {"response_format": {"type": "json_object"}},
            '{"echo":"Hello,  world\\n"}',
            "stop",
            id="json_object",
        ),
    ],
)
async def test_the_text_obeys_the_request(
    fields: dict[str, object], content: str, finish: str
) -> None:
    choice = (await answer(**fields))["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (content, finish)


SCHEMA = {
    "type": "object",
    "required": ["city", "days", "units", "who", "tags", "exact"],
    "properties": {
        "city": {"type": "string", "minLength": 6},
        "days": {"type": "integer", "minimum": 1},
        "units": {"enum": ["metric", "imperial"]},
        "who": {"$ref": "#/$defs/who"},
        "tags": {"type": "array", "minItems": 1, "items": {"type": ["boolean", "null"]}},
        "exact": {"anyOf": [{"const": 7}, {"type": "null"}]},
        "optional": {"type": "string"},
    },
    "$defs": {"who": {"type": "object", "required": ["me"], "properties": {"me": {"$ref": "#"}}}},
}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}


@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "weather"}}]
)
async def test_a_tool_is_called_when_the_request_insists(choice: object) -> None:
    reply = await answer(tools=[WEATHER], tool_choice=choice)
    message = reply["choices"][0]["message"]
    (called,) = message["tool_calls"]
    assert (message["content"], called["function"]["name"]) == (None, "weather")
    given = orjson.loads(called["function"]["arguments"])
    assert (given["city"], given["days"], given["units"]) == ("echooo", 1, "metric")
    assert (given["tags"], given["exact"]) == ([False], 7)
    assert reply["choices"][0]["finish_reason"] == "tool_calls"


async def test_a_tool_call_is_streamed_in_pieces() -> None:
    chunks = await events(tools=[WEATHER], tool_choice="required")
    calls = [chunk["choices"][0]["delta"].get("tool_calls", [{}])[0] for chunk in chunks]
    assert calls[1]["function"]["name"] == "weather"
    assert calls[1]["id"].startswith("call_")
    arguments = "".join(call.get("function", {}).get("arguments", "") for call in calls)
    assert orjson.loads(arguments)["days"] == 1
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


async def test_tools_alone_do_not_call() -> None:
    assert (await answer(tools=[WEATHER]))["choices"][0]["finish_reason"] == "stop"


async def test_a_json_schema_is_answered_roughly() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    text = (await answer(response_format=wanted))["choices"][0]["message"]["content"]
    assert set(orjson.loads(text)) == set(cast(list[str], SCHEMA["required"]))


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        pytest.param(b"{", 400, None, id="not-json"),
        pytest.param([], 400, None, id="not-an-object"),
        pytest.param({"model": "gpt", "messages": HELLO}, 404, "model", id="model"),
        pytest.param({"model": "echo"}, 400, "messages", id="no-messages"),
        pytest.param({"model": "echo", "messages": ["x"]}, 400, "messages", id="odd-message"),
        pytest.param(ask(tool_choice="required"), 400, "tool_choice", id="no-tools"),
    ],
)
async def test_bad_requests_get_the_formats_error(
    body: object, status: int, param: str | None
) -> None:
    got, raw = await call(body)
    error = orjson.loads(raw)["error"]
    assert (got, error["type"], error["param"]) == (status, "invalid_request_error", param)


async def test_models_are_listed_and_other_paths_are_not_found() -> None:
    status, raw = await call({}, path="/v1/models", method="GET")
    ids = [model["id"] for model in orjson.loads(raw)["data"]]
    assert (status, ids) == (200, list(MODELS))
    assert (await call({}, path="/v1/images/generations"))[0] == 404
    await EchoTransport().close()


@pytest.mark.parametrize(
    ("members", "param"),
    [
        pytest.param({}, "input", id="none"),
        pytest.param({"input": []}, "input", id="empty"),
        pytest.param({"input": ["a", 5]}, "input", id="mixed"),
        pytest.param({"input": [[""]]}, "input", id="no-tokens"),
        pytest.param({"input": "a", "dimensions": 0}, "dimensions", id="no-size"),
        pytest.param({"input": "a", "model": "echo"}, "model", id="chat-model"),
    ],
)
async def test_bad_requests_for_vectors(members: dict[str, Any], param: str) -> None:
    status, raw = await call({"model": "echo-embedding", **members}, path="/v1/embeddings")
    assert status in (400, 404)
    assert orjson.loads(raw)["error"]["param"] == param


async def test_texts_with_the_same_words_are_near_each_other() -> None:
    texts = ["the red house", "the red barn", "quantum field theory"]
    ask = {"model": "echo-embedding", "input": [*texts, ""]}
    status, raw = await call(ask, path="/v1/embeddings")
    assert status == 200
    house, barn, field, empty = (one["embedding"] for one in orjson.loads(raw)["data"])

    def near(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    assert near(house, barn) > 0.4 > abs(near(house, field))
    assert [round(near(one, one), 5) for one in (house, barn, field, empty)] == [1, 1, 1, 1]
