"""The same format on both sides: what is changed, what is hidden, what is read."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.errors import UpstreamCutError
from omniroute.translation.values import Stream, Usage
from tests.translation.golden import upstream_bytes
from tests.translation.tables import formats, target

ASKING: dict[str, Any] = {
    "model": "smart",
    "stream": True,
    "messages": [{"role": "user", "content": "hi"}],
}


def frame(data: Any) -> bytes:
    return b"data: " + (data if isinstance(data, bytes) else orjson.dumps(data)) + b"\n\n"


def chunk(content: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    delta: dict[str, Any] = {} if content is None else {"content": content}
    return {"id": "c1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def piece(**delta: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": delta}


def opened(**block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": 0, "content_block": block}


USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 3,
    "prompt_tokens_details": {"cached_tokens": 4},
}
FRAMES: list[Any] = [
    chunk("h\u00e9\U0001f600", usage=None),
    chunk("llo", usage=None),
    chunk(finish="stop", usage=None),
    {"id": "c1", "choices": [], "usage": USAGE},
    b"[DONE]",
]
WHOLE = b"".join(frame(data) for data in FRAMES)


def open_stream(body: dict[str, Any]) -> Stream:
    return formats().pair("openai-chat", "openai-chat").stream(body, target(stream=True))


def test_a_request_keeps_unknown_fields_and_changes_only_the_model() -> None:
    body: dict[str, Any] = {"model": "smart", "messages": [], "x_vendor": {"deep": [1, 2.5, None]}}
    sent = formats().pair("openai-chat", "openai-chat").request(body, b"", target())
    assert orjson.loads(sent.body) == {**body, "model": "upstream-model"}


def test_a_request_that_needs_no_change_is_sent_as_it_came() -> None:
    raw = b'{"messages": [],   "model": "upstream-model"}'
    sent = formats().pair("openai-chat", "openai-chat").request(orjson.loads(raw), raw, target())
    assert sent.body is raw


@pytest.mark.parametrize("format", ["anthropic", "gemini", "openai-responses"])
def test_what_only_looks_sealed_is_sent_as_it_came(format: str) -> None:
    turns = {"anthropic": "messages", "gemini": "contents", "openai-responses": "input"}
    turn = {"role": "user", "content": "b21uaT", "parts": [{"text": "b21uaT"}]}
    body = {turns[format]: [turn], "model": "upstream-model", "system": None}
    raw = orjson.dumps(body) + b" "
    sent = formats().pair(format, format).request(body, raw, target())
    assert sent.body is raw
    assert sent.dropped == ()


def test_a_stream_is_always_asked_for_usage() -> None:
    body = {**ASKING, "stream_options": {"include_obfuscation": False}}
    sent = formats().pair("openai-chat", "openai-chat").request(body, b"", target(stream=True))
    options = orjson.loads(sent.body)["stream_options"]
    assert options == {"include_obfuscation": False, "include_usage": True}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        pytest.param("max_tokens", 5, {"max_completion_tokens": 5}, id="max tokens"),
        pytest.param("sampling.temperature", 0.5, {"temperature": 0.5}, id="sampling"),
        pytest.param("metadata.team", "x", {"metadata": {"old": "1", "team": "x"}}, id="metadata"),
        pytest.param("reasoning_effort", "low", {"reasoning_effort": "low"}, id="effort"),
    ],
)
def test_set_fields_land_where_the_format_keeps_them(
    field: str, value: Any, expected: dict[str, Any]
) -> None:
    body: dict[str, Any] = {"model": "m", "messages": [], "max_tokens": 9, "metadata": {"old": "1"}}
    pair = formats().pair("openai-chat", "openai-chat")
    sent = orjson.loads(pair.request(body, b"", target(set_fields={field: value})).body)
    unchanged: dict[str, Any] = {
        "model": "upstream-model",
        "messages": [],
        "metadata": {"old": "1"},
    }
    if field != "max_tokens":
        unchanged["max_tokens"] = 9
    assert sent == {**unchanged, **expected}


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        pytest.param("prepend", ["new", "old", "hi"], id="prepend"),
        pytest.param("append", ["old", "new", "hi"], id="append"),
        pytest.param("replace", ["new", "hi"], id="replace"),
    ],
)
def test_a_system_prompt_is_set(place: str, expected: list[str]) -> None:
    body = {
        "model": "m",
        "messages": [{"role": "system", "content": "old"}, {"role": "user", "content": "hi"}],
    }
    pair = formats().pair("openai-chat", "openai-chat")
    sent = pair.request(body, b"", target(set_fields={f"system.{place}": "new"}))
    assert [message["content"] for message in orjson.loads(sent.body)["messages"]] == expected


def test_an_unasked_usage_is_read_and_hidden() -> None:
    stream = open_stream(ASKING)
    out = stream.feed(WHOLE) + stream.finish()
    assert out == b"".join(
        frame(data)
        for data in (chunk("h\u00e9\U0001f600"), chunk("llo"), chunk(finish="stop"), b"[DONE]")
    )
    assert stream.usage == Usage(input_uncached=6, cache_read=4, output=3)
    assert (stream.done, stream.stop, stream.chunks) == (True, "end_turn", 4)


def test_an_asked_usage_passes_through() -> None:
    stream = open_stream({**ASKING, "stream_options": {"include_usage": True}})
    assert stream.feed(WHOLE) + stream.finish() == WHOLE


@given(cuts=st.lists(st.integers(0, len(WHOLE)), max_size=20))
def test_any_split_gives_the_same_bytes(cuts: list[int]) -> None:
    stream, whole = open_stream(ASKING), open_stream(ASKING)
    edges = pairwise([0, *sorted(cuts), len(WHOLE)])
    pieces = [stream.feed(WHOLE[start:end]) for start, end in edges]
    assert b"".join(pieces) + stream.finish() == whole.feed(WHOLE) + whole.finish()


def test_a_frame_that_is_no_json_is_skipped_and_counted() -> None:
    stream = open_stream(ASKING)
    out = stream.feed(frame(chunk("a")) + frame(b"{garbage") + frame(chunk("b")))
    assert out == frame(chunk("a")) + frame(chunk("b"))
    assert stream.malformed == 1


def test_a_stream_without_done_is_complete_after_its_finish_reason() -> None:
    stream = open_stream(ASKING)
    stream.feed(frame(chunk("a", finish="stop")))
    assert stream.finish() == frame(b"[DONE]")


def test_a_stream_that_just_ends_was_cut() -> None:
    stream = open_stream(ASKING)
    stream.feed(frame(chunk("a")))
    with pytest.raises(UpstreamCutError):
        stream.finish()


def test_an_error_inside_the_stream_is_a_failure_and_not_passed_on() -> None:
    stream = open_stream(ASKING)
    error = {"error": {"message": "busy", "type": "x", "code": "rate_limit_exceeded"}}
    assert stream.feed(frame(error) + frame(chunk("late"))) == b""
    assert stream.failure is not None
    assert not stream.started
    assert (stream.failure.kind, stream.failure.status) == ("rate_limit", 429)
    assert stream.fail(stream.failure) == frame(
        {
            "error": {
                "message": "busy",
                "type": "rate_limit_error",
                "param": None,
                "code": "rate_limit_exceeded",
            }
        }
    )


@pytest.mark.parametrize(
    ("name", "announcing", "first"),
    [
        pytest.param("openai-chat", [chunk(""), chunk()], chunk("a"), id="chat"),
        pytest.param(
            "anthropic",
            [
                {"type": "message_start", "message": {"id": "m"}},
                {"type": "ping"},
                opened(type="text", text=""),
            ],
            piece(type="text_delta", text="a"),
            id="messages",
        ),
        pytest.param(
            "anthropic",
            [{"type": "message_start", "message": {"id": "m"}}],
            opened(type="server_tool_use"),
            id="a block that only this format knows",
        ),
        pytest.param(
            "openai-responses",
            [{"type": "response.created", "response": {"id": "r"}}],
            {"type": "response.output_text.delta", "output_index": 0, "delta": "a"},
            id="responses",
        ),
        pytest.param(
            "gemini",
            [{"responseId": "r"}],
            {"candidates": [{"content": {"parts": [{"text": "a"}]}}]},
            id="gemini",
        ),
    ],
)
def test_announcing_frames_do_not_begin_a_stream(
    name: str, announcing: list[Any], first: Any
) -> None:
    stream = formats().pair(name, name).stream(ASKING, target(stream=True))
    out = stream.feed(upstream_bytes(name, announcing))
    assert out
    assert not stream.started
    stream.feed(upstream_bytes(name, [first]))
    assert stream.started


def test_a_reply_is_untouched_and_read() -> None:
    raw = orjson.dumps({"choices": [{"finish_reason": "length"}], "usage": USAGE, "x": 1})
    reply = formats().pair("openai-chat", "openai-chat").reply(raw, ASKING, target())
    assert reply.body is raw
    assert reply.usage == Usage(input_uncached=6, cache_read=4, output=3)
    assert reply.stop == "max_tokens"


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b"null", b"{"])
def test_an_unreadable_reply_is_a_cut(raw: bytes) -> None:
    with pytest.raises(UpstreamCutError):
        formats().pair("openai-chat", "openai-chat").reply(raw, ASKING, target())
