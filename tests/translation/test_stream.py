"""When a translated stream has begun: until then another provider may be asked."""

from __future__ import annotations

from typing import Any

import pytest

from omniroute.errors import UpstreamCutError
from omniroute.translation.values import Stream
from tests.translation.golden import upstream_bytes
from tests.translation.tables import formats, target

MESSAGE: dict[str, Any] = {
    "id": "m1",
    "type": "message",
    "role": "assistant",
    "model": "x",
    "content": [],
}
START: dict[str, Any] = {
    "type": "message_start",
    "message": {**MESSAGE, "usage": {"input_tokens": 3}},
}
PING = {"type": "ping"}
STOP = {
    "type": "message_delta",
    "delta": {"stop_reason": "end_turn"},
    "usage": {"output_tokens": 1},
}


def opened(**block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": 0, "content_block": block}


def piece(**delta: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": delta}


def chunk(**delta: Any) -> dict[str, Any]:
    return {"id": "c1", "model": "x", "choices": [{"index": 0, "delta": delta}]}


TEXT, THOUGHT = opened(type="text", text=""), opened(type="thinking", thinking="", signature="")
CALL = opened(type="tool_use", id="t1", name="f", input={})
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}


def open_stream(client: str, upstream: str) -> Stream:
    return formats().pair(client, upstream).stream({}, target(stream=True))


@pytest.mark.parametrize(
    ("upstream", "events"),
    [
        pytest.param("anthropic", [START], id="a start"),
        pytest.param("anthropic", [START, PING, PING], id="pings"),
        pytest.param("anthropic", [START, TEXT], id="an empty text"),
        pytest.param("anthropic", [START, THOUGHT, PING], id="an empty thought"),
        pytest.param("openai-chat", [chunk(role="assistant", content="")], id="a role"),
        pytest.param("openai-chat", [chunk(), chunk(role="assistant")], id="empty chunks"),
    ],
)
def test_what_only_announces_an_answer_does_not_begin_it(upstream: str, events: list[Any]) -> None:
    client = "openai-chat" if upstream == "anthropic" else "anthropic"
    stream = open_stream(client, upstream)
    assert stream.feed(upstream_bytes(upstream, events))
    assert not stream.started
    with pytest.raises(UpstreamCutError):
        stream.finish()


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([TEXT, piece(type="text_delta", text="a")], id="text"),
        pytest.param([THOUGHT, piece(type="thinking_delta", thinking="a")], id="a thought"),
        pytest.param([THOUGHT, piece(type="signature_delta", signature="a")], id="a signature"),
        pytest.param([CALL], id="a call"),
        pytest.param([opened(type="redacted_thinking", data="a")], id="a hidden thought"),
        pytest.param([STOP, {"type": "message_stop"}], id="an empty answer's end"),
    ],
)
def test_the_first_piece_of_an_answer_begins_it(events: list[Any]) -> None:
    stream = open_stream("openai-chat", "anthropic")
    stream.feed(upstream_bytes("anthropic", [START, *events[:-1]]))
    assert not stream.started
    stream.feed(upstream_bytes("anthropic", events[-1:]))
    assert stream.started


def test_an_error_behind_the_start_leaves_the_stream_unbegun() -> None:
    stream = open_stream("openai-chat", "anthropic")
    stream.feed(upstream_bytes("anthropic", [START, PING, OVERLOADED]))
    assert not stream.started
    assert stream.failure is not None
    assert stream.failure.kind == "overloaded"
