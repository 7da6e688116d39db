"""The fault laboratory's parts: answers, good and bad, and a configuration around them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any, Final

from tests.scripted import (
    CUT,
    HANG,
    LAST_CHUNK,
    RESET,
    Recorded,
    Script,
    chunk,
    chunked_head,
    respond,
    sse_head,
)

TEXT: Final = "all is well"


def _sse(payload: object) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


def piece(text: str | None, *, finish: str | None = None) -> bytes:
    """One chunk of a streamed answer."""
    delta = {} if text is None else {"role": "assistant", "content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _sse({"id": "x", "object": "chat.completion.chunk", "model": "m", "choices": [choice]})


WHOLE: Final = json.dumps(
    {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": TEXT},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6},
    }
).encode()
DONE: Final = b"data: [DONE]\n\n"
STREAM: Final = piece(TEXT) + piece(None, finish="stop") + DONE


def well(request: Recorded) -> Script:
    """What a healthy provider answers, streamed or not, as asked."""
    if request.json().get("stream"):
        return [chunked_head(), chunk(STREAM), LAST_CHUNK]
    return [respond(WHOLE)]


def refusal(status: int, *headers: tuple[str, str], message: str = "no") -> Script:
    return [_refused(status, *headers, message=message)]


def _refused(status: int, *headers: tuple[str, str], message: str = "no") -> bytes:
    body = json.dumps({"error": {"message": message, "type": "error"}}).encode()
    return respond(body, status=status, headers=headers)


def limited_until(header: str, write: Callable[[datetime], str], *more: tuple[str, str]) -> Script:
    """A refusal whose `header` names the moment ten minutes after it is sent."""

    def answer() -> bytes:
        until = datetime.now(UTC) + timedelta(minutes=10)
        return _refused(429, (header, write(until)), *more)

    return [answer]


LIMITED: Final[dict[str, Script]] = {
    "retry-after in seconds": refusal(429, ("retry-after", "600")),
    "retry-after as a date": limited_until("retry-after", partial(format_datetime, usegmt=True)),
    "retry-after in milliseconds": refusal(429, ("retry-after-ms", "600000")),
    "x-ratelimit": refusal(
        429,
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", "6m0s"),
    ),
    "anthropic-ratelimit": limited_until(
        "anthropic-ratelimit-requests-reset",
        datetime.isoformat,
        ("anthropic-ratelimit-requests-limit", "50"),
        ("anthropic-ratelimit-requests-remaining", "0"),
    ),
}
"""Every style in which a provider says: not before ten minutes."""

FAULTS: Final[dict[str, Script]] = {
    **LIMITED,
    "429 without a word": refusal(429),
    "500": refusal(500),
    "502 as a page": [respond(b"<html>bad gateway</html>", status=502, content_type="text/html")],
    "503 with retry-after": refusal(503, ("retry-after", "30")),
    "529": refusal(529),
    "401": refusal(401),
    "403": refusal(403),
    "hang before the first byte": [HANG],
    "reset at once": [RESET],
    "cut in the head": [b"HTTP/1.1 200 OK\r\ncontent-ty", CUT],
    "no HTTP at all": [b"SSH-2.0-OpenSSH_9.6\r\n\r\n", CUT],
}
"""Faults that look the same for whole and streamed answers."""

WHOLE_FAULTS: Final[dict[str, Script]] = {
    "garbage for JSON": [respond(b"\x00\xff not json")],
    "JSON of another kind": [respond(b"[]")],
    "length larger than the body": [
        respond(WHOLE).replace(b"content-length: ", b"content-length: 9"),
        CUT,
    ],
    "hang in the body": [chunked_head(content_type="application/json"), chunk(WHOLE[:20]), HANG],
    "reset in the body": [chunked_head(content_type="application/json"), chunk(WHOLE[:20]), RESET],
}
STREAM_FAULTS: Final[dict[str, Script]] = {
    "hang before the first event": [chunked_head(), HANG],
    "end before the first event": [chunked_head(), LAST_CHUNK],
    "cut before the first event": [sse_head(), CUT],
    "an error as first event": [
        chunked_head(),
        chunk(_sse({"error": {"message": "overloaded", "type": "server_error"}})),
        LAST_CHUNK,
    ],
}
MIDWAY: Final[dict[str, Script]] = {
    "hang": [HANG],
    "reset": [RESET],
    "end without its mark": [LAST_CHUNK],
    "error event": [
        chunk(_sse({"error": {"message": "overloaded", "type": "server_error"}})),
        LAST_CHUNK,
    ],
}
"""What may come after a stream's first piece."""


def provider(name: str, url: str, *, more: str = "") -> str:
    return f"""
  {name}:
    format: openai-chat
    base_url: {url}/v1
    allow_private_network: true
    timeout: {{connect: 2s, first_byte: 300ms, idle: 300ms}}
    models: {{m: {{}}}}
{more}"""


def ask(model: str, *, stream: bool) -> dict[str, Any]:
    message = {"role": "user", "content": "hello"}
    return {"model": model, "stream": stream, "messages": [message]}
