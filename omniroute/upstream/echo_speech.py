"""What `echo` says aloud: a tone for each word, as a WAV file. Pure functions."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Iterator
from typing import Any, Final

from omniroute.upstream.echo_answer import EchoRefusal, text_tokens

RATE: Final = 8000
_WORD: Final = RATE // 10
"""Samples of a word's tone; half as many of silence follow."""


def speak(request: dict[str, Any]) -> Iterator[bytes]:
    """The file in pieces, a word in each. Raises EchoRefusal for a body without input."""
    text = request.get("input")
    if not isinstance(text, str) or not text.strip():
        raise EchoRefusal(400, "input is a text", "input")
    return _file(text.split())


def speech_events(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same as OpenAI's events, with what it used last."""
    pieces, tokens = speak(request), text_tokens(str(request["input"]))
    return _events(pieces, tokens)


def _events(pieces: Iterator[bytes], tokens: int) -> Iterator[dict[str, Any]]:
    spoken = 0
    for piece in pieces:
        spoken += 1
        yield {"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()}
    usage = {"input_tokens": tokens, "output_tokens": spoken, "total_tokens": tokens + spoken}
    yield {"type": "speech.audio.done", "usage": usage}


def _file(words: list[str]) -> Iterator[bytes]:
    size = len(words) * (_WORD + _WORD // 2) * 2
    head = struct.pack(
        "<4sI8sIHHIIHH", b"RIFF", 36 + size, b"WAVEfmt ", 16, 1, 1, RATE, RATE * 2, 2, 16
    )
    yield head + struct.pack("<4sI", b"data", size)
    for word in words:
        turn = 2 * math.pi * (220 + 40 * (len(word) % 12)) / RATE
        tone = (int(8000 * math.sin(turn * at)) for at in range(_WORD))
        yield struct.pack(f"<{_WORD}h", *tone) + bytes(_WORD // 2 * 2)
