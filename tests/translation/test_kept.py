"""Kept answers: what a question is beside its frame, and one answer in both deliveries."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from omniroute.errors import TranslationError, UpstreamCutError
from omniroute.translation.values import Question
from tests.translation.tables import formats, target

FORMATS = formats()
CHAT, ANTHROPIC = "openai-chat", "anthropic"
WHOLE: dict[str, dict[str, Any]] = {
    CHAT: {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1764000000,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": None,
                    "refusal": None,
                    "tool_calls": [
                        {
                            "id": "call_1",
                            "type": "function",
                            "function": {"name": "look", "arguments": '{"at":"sky"}'},
                        }
                    ],
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 4,
            "total_tokens": 14,
            "prompt_tokens_details": {"cached_tokens": 6},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
    },
    ANTHROPIC: {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "text", "text": "Hello"},
            {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "sky"}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2},
    },
}


def say(*turns: str, **more: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    messages = [{"role": roles[n % 2], "content": text} for n, text in enumerate(turns)]
    return {"model": "m", "max_tokens": 9, "messages": messages, **more}


def with_turns(*messages: dict[str, Any]) -> dict[str, Any]:
    return {**say(), "messages": list(messages)}


def ask(body: dict[str, Any], format: str = CHAT) -> Question:
    found = FORMATS.client(format).question(body)
    assert found is not None
    return found


@pytest.mark.parametrize("format", [CHAT, ANTHROPIC])
def test_a_whole_answer_survives_being_told_as_a_stream(format: str) -> None:
    pair = FORMATS.pair(format, format)
    body = say("hi", stream_options={"include_usage": True})
    told = pair.replay(orjson.dumps(WHOLE[format]), body, target(stream=True))
    folded = orjson.loads(pair.fold(told, body, target(stream=False)))
    wanted = WHOLE[format]
    assert {name: folded[name] for name in wanted if name != "usage"} == {
        name: value for name, value in wanted.items() if name != "usage"
    }
    counts = folded["usage"]
    assert {name: counts[name] for name in wanted["usage"]} == wanted["usage"]


@pytest.mark.parametrize("sampling", [{"n": 2}, {"logprobs": True}])
def test_what_would_lose_some_is_only_given_as_it_came(sampling: dict[str, Any]) -> None:
    pair, body = FORMATS.pair(CHAT, CHAT), say("hi", **sampling)
    with pytest.raises(TranslationError):
        pair.replay(orjson.dumps(WHOLE[CHAT]), body, target(stream=True))
    told = pair.replay(orjson.dumps(WHOLE[CHAT]), say("hi"), target(stream=True))
    with pytest.raises(TranslationError):
        pair.fold(told, body, target(stream=False))


def test_a_signed_thought_is_only_given_as_it_came() -> None:
    pair = FORMATS.pair(ANTHROPIC, ANTHROPIC)
    thought = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    signed = {**WHOLE[ANTHROPIC], "content": [thought, *WHOLE[ANTHROPIC]["content"]]}
    with pytest.raises(TranslationError):
        pair.replay(orjson.dumps(signed), say("hi"), target(stream=True))


def test_only_the_last_turn_may_differ() -> None:
    one, two = ask(say("a", "b", "what is up?")), ask(say("a", "b", "what's up?"))
    assert (one.text, two.text, one.frame) == ("what is up?", "what's up?", two.frame)


@pytest.mark.parametrize(
    "other",
    [
        say("A", "b", "c"),
        say("a", "B", "c"),
        say("a", "b", "c", temperature=0),
        say("a", "b", "c", never_heard_of=1),
        say("a", "b", "c", tools=[{"type": "function", "function": {"name": "f"}}]),
        say("a", "b", "c", response_format={"type": "json_object"}),
        with_turns({"role": "system", "content": "s"}, *say("a", "b", "c")["messages"]),
        with_turns(*say("a", "b")["messages"], {"role": "user", "content": "c", "name": "n"}),
    ],
)
def test_all_else_is_in_the_frame(other: dict[str, Any]) -> None:
    assert ask(other).frame != ask(say("a", "b", "c")).frame


def test_delivery_is_not_in_the_frame() -> None:
    streamed = say("a", stream=True, stream_options={"include_usage": True})
    assert ask(streamed).frame == ask(say("a")).frame


def test_a_text_that_reads_like_a_role_does_not_hide_the_role() -> None:
    odd = {"model": "m", "messages": [{"role": "user", "content": "user"}]}
    assert ask(odd).frame != ask(say("hello")).frame


def test_pictures_and_results_stay_in_the_frame() -> None:
    def with_picture(url: str) -> dict[str, Any]:
        parts = [
            {"type": "text", "text": "what is this?"},
            {"type": "image_url", "image_url": {"url": url}},
        ]
        return {"model": "m", "messages": [{"role": "user", "content": parts}]}

    one, two = ask(with_picture("https://a.example/1")), ask(with_picture("https://a.example/2"))
    assert (one.text, one.frame == two.frame) == ("what is this?", False)
    result = {"role": "tool", "tool_call_id": "c", "content": "done"}
    assert FORMATS.client(CHAT).question({"model": "m", "messages": [result]}) is None


def test_the_system_prompt_of_another_place_is_in_the_frame() -> None:
    plain = ask(say("a"), ANTHROPIC)
    assert ask(say("a", system="s"), ANTHROPIC).frame != plain.frame


@pytest.mark.parametrize(
    ("format", "path", "answer"),
    [
        (CHAT, "/embeddings", {"data": [{"embedding": [1, 0.5]}], "usage": {"prompt_tokens": 3}}),
        ("ollama", "/api/embed", {"embeddings": [[1, 0.5]], "prompt_eval_count": 3}),
    ],
)
def test_an_embedding_is_asked_for_as_the_table_says(
    format: str, path: str, answer: dict[str, Any]
) -> None:
    embedder = FORMATS.embedder(format)
    assert embedder is not None
    outbound = embedder.request("hi", "small")
    assert (outbound.path, orjson.loads(outbound.body)) == (path, {"model": "small", "input": "hi"})
    found = embedder.reply(orjson.dumps(answer))
    assert (found.vector, found.usage.input_uncached) == ((1.0, 0.5), 3)


@pytest.mark.parametrize(
    "broken", [b"no", b"{}", b'{"data":[{"embedding":[]}]}', b'{"data":[{"embedding":["x"]}]}']
)
def test_an_answer_without_a_vector_is_a_failure(broken: bytes) -> None:
    embedder = FORMATS.embedder(CHAT)
    assert embedder is not None
    with pytest.raises(UpstreamCutError):
        embedder.reply(broken)


def test_a_format_without_embeddings_gives_nobody_to_ask() -> None:
    assert FORMATS.embedder(ANTHROPIC) is None
