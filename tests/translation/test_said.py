"""How much an answer said, where its provider did not count: every format, pieces and wholes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from omniroute.catalog.tokens import estimate_tokens
from omniroute.translation.said import KEPT_BYTES, said_in_blocks, said_in_rows
from omniroute.translation.values import Stream
from tests.translation.tables import formats, target

WORDS = [f"{word} " for word in ("The quick brown fox jumps over the lazy dog." * 3).split()]
TEXT = "".join(WORDS)


def test_blocks_count_texts_thoughts_and_arguments() -> None:
    blocks = [
        {"type": "thinking", "text": "hm ", "signature": "x" * 900},
        {"type": "text", "text": "so"},
        {"type": "tool_use", "id": "call_" + "1" * 90, "name": "f", "input": {"a": 1}},
        None,
    ]
    assert said_in_blocks(blocks) == estimate_tokens('hm so{"a":1}')


def test_a_block_that_comes_again_as_a_whole_counts_once() -> None:
    pieces = [{"block": 0, "text": "Hel"}, {"block": 0, "text": "lo"}]
    again: list[dict[str, Any]] = [{"block": 0, "whole_text": "Hello"}, {"stop": "end_turn"}]
    once = estimate_tokens("Hello")
    assert said_in_rows([*pieces, *again]) == said_in_rows([*again, *again]) == once


def frame(content: str) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": None}
    return b"data: " + orjson.dumps({"id": "c1", "choices": [choice]}) + b"\n\n"


@pytest.mark.parametrize("client", sorted(formats().speaking["chat"]))
def test_a_stream_tells_what_it_said_so_far(client: str) -> None:
    stream = opened(client)
    assert stream.estimate() == 0
    for word in WORDS:
        stream.feed(frame(word))
    assert stream.usage.output is None
    assert stream.estimate() == pytest.approx(estimate_tokens(TEXT), rel=0.1)
    assert stream.estimate() == stream.estimate()


def test_of_a_long_stream_a_bounded_part_is_read() -> None:
    stream, rounds = opened("openai-chat"), 200
    for word in WORDS * rounds:
        stream.feed(frame(word))
    assert rounds * len(TEXT) > KEPT_BYTES
    assert stream.estimate() == pytest.approx(rounds * estimate_tokens(TEXT), rel=0.1)


def test_one_frame_may_hold_it_all() -> None:
    stream = opened("openai-chat")
    stream.feed(frame(TEXT * 1000))
    assert stream.estimate() == estimate_tokens(TEXT * 1000)


def opened(client: str) -> Stream:
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    return formats().pair(client, "openai-chat").stream(body, target(stream=True))
