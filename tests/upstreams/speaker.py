"""A fake provider that speaks, as OpenAI's reference of `createSpeech` has it, and nothing else.

https://platform.openai.com/docs/api-reference/audio/createSpeech
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from tests.chat import answer
from tests.scripted import LAST_CHUNK, Recorded, Script, chunk, chunked_head

AUDIO: Final = (b"\xff\xfb\x90\x44<first>", b"{second}\x00\xff")
"""What is said, in two pieces."""
USAGE: Final = {"input_tokens": 4, "output_tokens": 60, "total_tokens": 64}
_KNOWN: Final = frozenset(
    {"model", "input", "voice", "instructions", "response_format", "speed", "stream_format"}
)


def speaker(asked: Recorded) -> Script:
    body: dict[str, Any] = asked.json()
    good = (
        (asked.method, asked.target) == ("POST", "/v1/audio/speech")
        and asked.headers.get("authorization") == "Bearer lab-credential"
        and body.keys() <= _KNOWN
        and {"model", "input", "voice"} <= body.keys()
    )
    if not good:
        return [answer(400, {"error": {"message": f"no: {sorted(body)}", "param": "voice"}})]
    if body.get("stream_format") == "sse":
        return [chunked_head(), *map(chunk, _events()), LAST_CHUNK]
    return [chunked_head(content_type="audio/mpeg"), *map(chunk, AUDIO), LAST_CHUNK]


def _events() -> list[bytes]:
    said: list[dict[str, Any]] = [
        {"type": "speech.audio.delta", "audio": "//uQRA=="},
        {"type": "speech.audio.done", "usage": USAGE},
    ]
    return [b"data: " + orjson.dumps(one) + b"\n\n" for one in said]
