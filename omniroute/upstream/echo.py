"""The built-in `echo` provider: an in-process transport that speaks the openai-chat wire format.

It repeats the last user message, so that a gateway can be tried, shown and tested without network
or keys. Answers depend on the request alone, but for `created`. Token counts are estimates of four
characters each. It has a model for each kind: `echo` chats, `echo-embedding` makes vectors,
`echo-image` pictures, `echo-rerank` orders documents, `echo-moderation` judges texts,
`echo-speech` has a tone for each word, `echo-transcription` tells what a file says of itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final, cast
from urllib.parse import urlsplit

import orjson

from omniroute.base.bigjson import read_json
from omniroute.base.heavy import BIG_BYTES
from omniroute.upstream.client import Bounds, UpstreamRequest
from omniroute.upstream.echo_answer import EchoAnswer, EchoRefusal, answer_chat
from omniroute.upstream.echo_hearing import hear
from omniroute.upstream.echo_images import answer_images, stream_images
from omniroute.upstream.echo_judges import answer_judgement, answer_order
from omniroute.upstream.echo_speech import speak, speech_events
from omniroute.upstream.echo_vectors import answer_vectors

MODEL: Final = "echo"
VECTOR_MODEL: Final = "echo-embedding"
IMAGE_MODEL: Final = "echo-image"
ORDER_MODEL: Final = "echo-rerank"
JUDGE_MODEL: Final = "echo-moderation"
SPEECH_MODEL: Final = "echo-speech"
HEARING_MODEL: Final = "echo-transcription"
MODELS: Final = (
    *(MODEL, VECTOR_MODEL, IMAGE_MODEL, ORDER_MODEL, JUDGE_MODEL, SPEECH_MODEL, HEARING_MODEL),
)
_JSON: Final[Mapping[str, str]] = {"content-type": "application/json"}
_SSE: Final[Mapping[str, str]] = {"content-type": "text/event-stream", "cache-control": "no-cache"}
_WAV: Final[Mapping[str, str]] = {"content-type": "audio/wav"}


class EchoTransport:
    """Answers the paths of its models, and `…/models`, below any `echo:` URL."""

    async def open(self, request: UpstreamRequest, bounds: Bounds) -> EchoExchange:
        path = urlsplit(request.url).path.rstrip("/")
        try:
            if path.endswith("/models") and request.method == "GET":
                return _whole(200, {"object": "list", "data": list(map(_model_entry, MODELS))})
            if path.endswith("/chat/completions") and request.method == "POST":
                if len(request.body) < BIG_BYTES:
                    return _chat(request.body)
                return await asyncio.to_thread(_chat, request.body)
            if path.endswith("/audio/transcriptions") and request.method == "POST":
                content_type, body = await hear(request, HEARING_MODEL)
                return EchoExchange(200, {"content-type": content_type}, iter((body,)))
            for end, answer in _TASKS.items():
                if path.endswith(end) and request.method == "POST":
                    return await asyncio.to_thread(answer, request.body)
        except EchoRefusal as refusal:
            return _whole(refusal.status, _error(refusal))
        return _whole(404, _error(EchoRefusal(404, f"echo has no {request.method} {path}")))

    async def close(self) -> None:
        """Nothing is held."""


class EchoExchange:
    """An answer that is made while it is read."""

    def __init__(self, status: int, headers: Mapping[str, str], chunks: Iterator[bytes]) -> None:
        self.status = status
        self.headers = headers
        self._chunks = chunks

    async def read(self) -> bytes:
        return next(self._chunks, b"")

    async def close(self) -> None:
        self._chunks = iter(())


def _chat(body: bytes) -> EchoExchange:
    request = _read(body, MODEL)
    answer = answer_chat(request)
    shared: dict[str, Any] = {
        "id": f"chatcmpl-{sha256(body).hexdigest()[:24]}",
        "created": int(time.time()),
        "model": MODEL,
    }
    if request.get("stream") is not True:
        return _whole(200, _completion(shared, answer))
    options = request.get("stream_options")
    with_usage = isinstance(options, dict) and cast(dict[str, Any], options).get("include_usage")
    events = _events(shared, answer, with_usage=with_usage is True)
    return EchoExchange(200, _SSE, events)


def _vectors(body: bytes) -> EchoExchange:
    return _whole(200, answer_vectors(_read(body, VECTOR_MODEL)))


def _images(body: bytes) -> EchoExchange:
    request, created = _read(body, IMAGE_MODEL), int(time.time())
    if request.get("stream") is not True:
        return _whole(200, answer_images(request, created))
    events = stream_images(request, created)
    return EchoExchange(200, _SSE, (_frame(event, event["type"]) for event in events))


def _order(body: bytes) -> EchoExchange:
    return _whole(200, answer_order(_read(body, ORDER_MODEL)))


def _judge(body: bytes) -> EchoExchange:
    return _whole(200, answer_judgement(_read(body, JUDGE_MODEL)))


def _speak(body: bytes) -> EchoExchange:
    request = _read(body, SPEECH_MODEL)
    if request.get("stream_format") != "sse":
        return EchoExchange(200, _WAV, speak(request))
    events = speech_events(request)
    return EchoExchange(200, _SSE, (_frame(event, event["type"]) for event in events))


_TASKS: Final[Mapping[str, Callable[[bytes], EchoExchange]]] = {
    "/embeddings": _vectors,
    "/images/generations": _images,
    "/rerank": _order,
    "/moderations": _judge,
    "/audio/speech": _speak,
}


def _read(body: bytes, model: str) -> dict[str, Any]:
    """The request. Raises EchoRefusal for what is none, or is for another model."""
    try:
        parsed: Any = read_json(body)
    except orjson.JSONDecodeError as error:
        raise EchoRefusal(400, f"the body is not JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise EchoRefusal(400, "the body must be a JSON object")
    request = cast(dict[str, Any], parsed)
    if request.get("model") != model:
        raise EchoRefusal(404, f"what echo has for this is {model}", "model")
    return request


def _completion(shared: dict[str, Any], answer: EchoAnswer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
    if answer.tool is not None:
        message["content"] = None
        message["tool_calls"] = [_tool_call(shared, answer.tool, answer.arguments)]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish}
    return shared | {"object": "chat.completion", "choices": [choice], "usage": _usage(answer)}


def _events(shared: dict[str, Any], answer: EchoAnswer, *, with_usage: bool) -> Iterator[bytes]:
    """Server-sent events: the role, the words or the arguments in pieces, the end."""
    base: dict[str, Any] = shared | {"object": "chat.completion.chunk"}
    if with_usage:
        base["usage"] = None

    def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _frame(base | {"choices": [choice]})

    yield event({"role": "assistant", "content": None if answer.tool else "", "refusal": None})
    if answer.tool is not None:
        call = _tool_call(shared, answer.tool, "") | {"index": 0}
        yield event({"tool_calls": [call]})
        for piece in _pieces(answer.arguments, 8):
            yield event({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    else:
        for word in answer.words():
            yield event({"content": word})
    yield event({}, answer.finish)
    if with_usage:
        yield _frame(base | {"choices": [], "usage": _usage(answer)})
    yield b"data: [DONE]\n\n"


def _pieces(text: str, size: int) -> Iterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


def _tool_call(shared: dict[str, Any], name: str, arguments: str) -> dict[str, Any]:
    call_id = f"call_{str(shared['id'])[-24:]}"
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _usage(answer: EchoAnswer) -> dict[str, Any]:
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _model_entry(model: str) -> dict[str, Any]:
    return {"id": model, "object": "model", "created": 0, "owned_by": "omniroute"}


def _error(refusal: EchoRefusal) -> dict[str, Any]:
    return {
        "error": {
            "message": str(refusal),
            "type": "invalid_request_error",
            "param": refusal.param,
            "code": "model_not_found" if refusal.param == "model" else None,
        }
    }


def _frame(value: dict[str, Any], name: str | None = None) -> bytes:
    head = b"" if name is None else b"event: " + name.encode() + b"\n"
    return head + b"data: " + orjson.dumps(value) + b"\n\n"


def _whole(status: int, value: dict[str, Any]) -> EchoExchange:
    return EchoExchange(status, _JSON, iter((orjson.dumps(value),)))
