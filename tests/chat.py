"""Bytes of an OpenAI-format provider, for scripted upstreams, and a configuration in front."""

from __future__ import annotations

import json
from typing import Any

COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1764000000,
    "model": "m",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
    ],
    "usage": {
        "prompt_tokens": 10,
        "completion_tokens": 4,
        "total_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 6},
        "completion_tokens_details": {"reasoning_tokens": 1},
    },
}
ASK: dict[str, Any] = {"model": "lab/m", "messages": [{"role": "user", "content": "hi"}]}


def answer(status: int, body: Any, **headers: str) -> bytes:
    """A whole HTTP answer with a JSON body."""
    data = json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} X", "content-type: application/json"]
    head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head.append(f"content-length: {len(data)}")
    return "\r\n".join([*head, "", ""]).encode() + data


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
STREAM_END = b"0\r\n\r\n"


def chunked(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(body: Any) -> bytes:
    """One server-sent event, as a chunk."""
    return chunked(f"data: {body if isinstance(body, str) else json.dumps(body)}\n\n".encode())


def delta(content: str | None = None, *, finish: str | None = None, **more: Any) -> bytes:
    """A chunk of a streamed completion."""
    choice = {
        "index": 0,
        "delta": {} if content is None else {"content": content},
        "finish_reason": finish,
    }
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1764000000,
        "model": "m",
        "choices": [choice],
    }
    return event({**body, **more})


USAGE_EVENT = event(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1764000000,
        "model": "m",
        "choices": [],
        "usage": COMPLETION["usage"],
    }
)
DONE = event("[DONE]")
WHOLE_STREAM = [
    STREAM_HEAD, delta("Hel"), delta("lo"), delta(finish="stop"), USAGE_EVENT, DONE, STREAM_END,
]  # fmt: skip


def lab(url: str, more: str = "", provider: str = "") -> str:
    """A configuration whose provider `lab` is a scripted upstream."""
    return f"""
version: 1
providers:
  lab:
    format: openai-chat
    base_url: {url}/v1
    allow_private_network: true
    connections: {{main: {{api_key: "${{env:LAB_KEY:-lab-credential}}"}}}}
    models: {{m: {{price: {{input: 2, output: 8, cached_input: 1}}}}}}
{provider}
{more}
"""
