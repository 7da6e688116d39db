"""A fake provider that hears, as OpenAI's reference of `createTranscription` has it: it takes a
form with the fields that are documented and a file whose name ends as what it is, and nothing else.

https://platform.openai.com/docs/api-reference/audio/createTranscription
"""

from __future__ import annotations

import re
from email import message_from_bytes
from email.policy import HTTP
from typing import Any, Final

import orjson

from tests.chat import answer
from tests.scripted import LAST_CHUNK, Recorded, Script, chunk, chunked_head, respond

TEXT: Final = "Good morning. How are you?"
SEGMENTS: Final = [
    {"id": 0, "start": 0.0, "end": 1.25, "text": " Good morning."},
    {"id": 1, "start": 1.25, "end": 2.5, "text": " How are you?"},
]
_KNOWN: Final = frozenset(
    {
        *("model", "language", "prompt", "response_format", "temperature", "stream"),
        *("timestamp_granularities[]", "include[]"),
    }
)
_ENDINGS: Final = {"mp3": "audio/mpeg", "wav": "audio/wav", "m4a": "audio/mp4"}
_ENDINGS.update({"flac": "audio/flac", "ogg": "audio/ogg", "webm": "audio/webm"})


class Form:
    """What came in, read by another parser than the gateway's."""

    def __init__(self, asked: Recorded) -> None:
        head = f"content-type: {asked.headers['content-type']}\r\n\r\n".encode()
        message = message_from_bytes(head + asked.body, policy=HTTP)
        self.fields: list[tuple[str, str]] = []
        self.file = b""
        self.filename = self.file_type = ""
        for part in message.iter_parts():
            name: Any = part.get_param("name", header="content-disposition")
            payload: Any = part.get_payload(decode=True)
            if part.get_filename() is None:
                self.fields.append((name, payload.decode()))
            else:
                self.file, self.filename = payload, part.get_filename() or ""
                self.file_type = part.get_content_type()


def listener(asked: Recorded) -> Script:
    form = Form(asked)
    fields = dict(form.fields)
    ending = form.filename.rpartition(".")[2]
    good = (
        (asked.method, asked.target) == ("POST", "/v1/audio/transcriptions")
        and asked.headers.get("authorization") == "Bearer lab-credential"
        and int(asked.headers["content-length"]) == len(asked.body)
        and fields.keys() <= _KNOWN
        and fields.get("model") == "m"
        and form.file
        and _ENDINGS.get(ending) == form.file_type
    )
    if not good:
        return [answer(400, {"error": {"message": f"no: {fields} {form.filename}"}})]
    shape = fields.get("response_format", "json")
    if fields.get("stream") in ("true", "True"):
        return [chunked_head(), *map(chunk, _events()), LAST_CHUNK]
    if shape in ("json", "verbose_json"):
        return [answer(200, _whole(shape, form.fields))]
    return [respond(TEXT.encode() + b"\n", content_type="text/plain; charset=utf-8")]


def _whole(shape: str, fields: list[tuple[str, str]]) -> dict[str, Any]:
    usage: dict[str, Any] = {"type": "duration", "seconds": 3}
    if shape == "json":
        return {"text": TEXT, "usage": usage}
    whole: dict[str, Any] = {"task": "transcribe", "language": "english", "duration": 2.5}
    whole |= {"text": TEXT, "segments": SEGMENTS, "usage": usage}
    if ("timestamp_granularities[]", "word") in fields:
        whole["words"] = [
            {"word": word, "start": 0.0, "end": 1.0} for word in re.findall(r"\w+", TEXT)
        ]
    return whole


def _events() -> list[bytes]:
    usage: dict[str, Any] = {"type": "tokens", "input_tokens": 14, "output_tokens": 6}
    said: list[dict[str, Any]] = [
        {"type": "transcript.text.delta", "delta": "Good morning."},
        {"type": "transcript.text.delta", "delta": " How are you?"},
        {"type": "transcript.text.done", "text": TEXT, "usage": {**usage, "total_tokens": 20}},
    ]
    return [b"data: " + orjson.dumps(one) + b"\n\n" for one in said]
