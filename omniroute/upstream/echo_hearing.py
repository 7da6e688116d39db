"""What `echo` hears in a file: what the file says of itself. It has OpenAI's path for that."""

from __future__ import annotations

from typing import Any, Final

import orjson

from omniroute.upstream.client import UpstreamRequest
from omniroute.upstream.echo_answer import EchoRefusal
from omniroute.wire.audio import container_of, most_seconds, seconds_of

_SHAPES: Final = (b"json", b"text", b"srt", b"verbose_json", b"vtt")


async def hear(request: UpstreamRequest, model: str) -> tuple[str, bytes]:
    """Content type and body. Raises EchoRefusal for a request without a file, or another model."""
    file = request.file
    if file is None:
        raise EchoRefusal(400, "a file, please", "file")
    if _field(request.body, b"model") != model.encode():
        raise EchoRefusal(404, f"what echo has for this is {model}", "model")
    head, size = await file.read(0), file.size_bytes
    container = container_of(head)
    if container is None:
        raise EchoRefusal(400, "that is no audio", "file")
    text = f"{size} bytes of {container.name}."
    seconds = seconds_of(head, size) or most_seconds(size)
    return _told(text, round(seconds, 3), _field(request.body, b"response_format") or b"json")


def _told(text: str, seconds: float, shape: bytes) -> tuple[str, bytes]:
    if shape not in _SHAPES:
        raise EchoRefusal(400, "echo does not know this format", "response_format")
    clock = f"{int(seconds) // 60:02}:{seconds % 60:06.3f}"
    cue = f"00:00:00.000 --> 00:{clock}"
    plain: dict[bytes, str] = {
        b"text": f"{text}\n",
        b"srt": f"1\n{cue.replace('.', ',')}\n{text}\n\n",
        b"vtt": f"WEBVTT\n\n{cue}\n{text}\n\n",
    }
    if shape in plain:
        return "text/plain; charset=utf-8", plain[shape].encode()
    answer: dict[str, Any] = {"text": text, "usage": {"type": "duration", "seconds": seconds}}
    if shape == b"verbose_json":
        segment = {"id": 0, "start": 0.0, "end": seconds, "text": text}
        answer |= {"task": "transcribe", "language": "english", "duration": seconds}
        answer["segments"] = [segment]
    return "application/json", orjson.dumps(answer)


def _field(parts: bytes, name: bytes) -> bytes:
    """A field of what the gateway itself has written."""
    return parts.partition(b'name="%b"\r\n\r\n' % name)[2].partition(b"\r\n")[0]
