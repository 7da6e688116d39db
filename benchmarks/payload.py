"""The bytes that every subject answers with, so that no two subjects differ in work."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, Literal

WORDS = ("The ", "quick ", "brown ", "fox ", "jumps ", "over ", "the ", "lazy ", "dog. ")
STREAM_EVENTS = 64  # about one short paragraph; long enough that the head does not dominate
MODEL = "bench-model"
Asks = Literal["chat", "messages"]
"""The format of the client."""
PATHS: Final[Mapping[Asks, str]] = {"chat": "/v1/chat/completions", "messages": "/v1/messages"}

_USAGE = {"prompt_tokens": 21, "completion_tokens": STREAM_EVENTS, "total_tokens": 85}
_HEAD = {"id": "chatcmpl-bench", "created": 1764000000, "model": MODEL}


def completion() -> bytes:
    """A chat completion of a few hundred bytes."""
    message = {"role": "assistant", "content": "".join(WORDS) * 4}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE}
    return json.dumps(body).encode()


def stream_events() -> list[bytes]:
    """`STREAM_EVENTS` SSE events, the last but one with usage, the last `[DONE]`."""
    events: list[bytes] = []
    for index in range(STREAM_EVENTS - 2):
        last = index == STREAM_EVENTS - 3
        delta = {} if last else {"content": WORDS[index % len(WORDS)]}
        choice = {"index": 0, "delta": delta, "finish_reason": "stop" if last else None}
        events.append(_event([choice], None))
    events.append(_event([], _USAGE))
    events.append(b"data: [DONE]\n\n")
    return events


def _event(choices: Sequence[Mapping[str, object]], usage: Mapping[str, int] | None) -> bytes:
    body = {**_HEAD, "object": "chat.completion.chunk", "choices": choices, "usage": usage}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def request_body(model: str, *, asks: Asks, stream: bool, prompt_bytes: int = 0) -> bytes:
    """What the client sends: a system prompt and one question, behind `prompt_bytes` of text."""
    system = "You are a helpful assistant. Answer briefly."
    question = "Write one sentence about a fox and a dog, please."
    text = "".join(WORDS)
    padded = (text * (prompt_bytes // len(text) + 1))[:prompt_bytes] + question
    user = {"role": "user", "content": padded}
    body: dict[str, object] = {"model": model, "temperature": 0.7}
    if asks == "messages":
        body |= {"max_tokens": 256, "system": system, "messages": [user]}
    else:
        body["messages"] = [{"role": "system", "content": system}, user]
    if stream:
        body["stream"] = True
    if stream and asks == "chat":
        body["stream_options"] = {"include_usage": True}
    return json.dumps(body).encode()
