"""What a conversation begins with is the same in each of its requests, and in no other's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.translation.tables import formats

FIRST = "Fix the build."
SYSTEM = {"role": "system", "content": "Today is another day."}
TURNS: dict[str, tuple[str, list[Any], list[Any]]] = {
    "openai-chat": (
        "messages",
        [SYSTEM, {"role": "user", "content": FIRST}],
        [{"role": "user", "content": FIRST, "name": "n"}, {"role": "assistant", "content": "ok"}],
    ),
    "anthropic": (
        "messages",
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": FIRST, "cache_control": {"type": "ephemeral"}}
                ],
            }
        ],
        [{"role": "user", "content": [{"type": "text", "text": FIRST}]}, {"role": "assistant"}],
    ),
    "openai-responses": (
        "input",
        [{"type": "additional_tools", "role": "developer"}, {"role": "user", "content": FIRST}],
        [{"role": "user", "content": FIRST, "id": "msg_1"}, {"type": "reasoning", "id": "rs_1"}],
    ),
    "gemini": (
        "contents",
        [{"role": "user", "parts": [{"text": FIRST}]}],
        [{"parts": [{"text": FIRST}]}, {"role": "model", "parts": [{"text": "ok"}]}],
    ),
    "ollama": (
        "messages",
        [{"role": "user", "content": FIRST}],
        [SYSTEM, {"role": "user", "content": FIRST}, {"role": "tool", "content": "r"}],
    ),
}


@pytest.mark.parametrize("format", TURNS)
def test_requests_of_one_conversation_begin_alike(format: str) -> None:
    member, first, later = TURNS[format]
    client = formats().client(format)
    opening = client.opening({member: first})
    assert opening is not None
    assert client.opening({member: later, "metadata": {"a": "b"}}) == opening
    other = [{"role": "user", "content": "Else.", "parts": [{"text": "Else."}]}]
    assert client.opening({member: other}) not in (None, opening)


def test_what_says_nothing_begins_with_nothing() -> None:
    assert (
        formats().client("gemini").opening({"contents": [{"parts": [{"inlineData": {}}]}]}) is None
    )
    assert formats().client("openai-chat").opening({"messages": [SYSTEM]}) is None
    responses = formats().client("openai-responses")
    assert responses.opening({"input": FIRST}) == responses.opening({"input": [{"content": FIRST}]})
