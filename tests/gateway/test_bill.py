"""A mixed day: what the ledger sums up is what the providers' own answers come to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import httpx

from omniroute.ledger.queries import freshen, open_ledger
from tests.chat import COMPLETION, STREAM_END, STREAM_HEAD, WHOLE_STREAM, answer, chunked, event
from tests.running import Gateway, running, until
from tests.scripted import HANG, Recorded, Script, scripted_upstream

PRICES: Final[dict[str, Fraction | int]] = {
    "input": 2,
    "output": 8,
    "cached_input": Fraction(1, 2),
    "cache_write": 3,
}
"""US dollars per million tokens."""
CONFIG: Final = """
version: 1
auth: {require_api_key: false}
resilience: {retry: {attempts: 0}}
providers:
"""
PROVIDER: Final = """
  {format}:
    format: {format}
    base_url: {url}{base}
    allow_private_network: true
    connections: {{main: {{api_key: "${{env:LAB_KEY:-lab-credential}}"}}}}
    models: {{m: {{price: {{input: 2, output: 8, cached_input: 0.5, cache_write: 3}}}}}}
"""
BASES: Final = {
    "openai-chat": "/v1",
    "openai-responses": "/v1",
    "anthropic": "",
    "gemini": "",
    "ollama": "",
}
CLAUDE: Final = {
    "input_tokens": 11,
    "cache_read_input_tokens": 101,
    "cache_creation_input_tokens": 7,
    "output_tokens": 5,
}
GEMINI: Final = {
    "promptTokenCount": 53,
    "cachedContentTokenCount": 31,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 2,
    "totalTokenCount": 60,
}
RESPONSES: Final = {
    "input_tokens": 43,
    "input_tokens_details": {"cached_tokens": 13},
    "output_tokens": 6,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 49,
}
OLLAMA: Final = {"prompt_eval_count": 9, "eval_count": 3}


def billed(format_: str) -> Fraction:
    """US dollars of one whole answer, by what each vendor says that its counts mean."""
    match format_:
        case "anthropic":  # cached input is beside input_tokens
            uncached, read, written, out = CLAUDE.values()
        case "gemini":  # cached input is a part of the prompt, thoughts are beside the candidates
            uncached, read, written, out = 53 - 31, 31, 0, 5 + 2
        case "openai-responses":  # cached input is a part of the input, reasoning of the output
            uncached, read, written, out = 43 - 13, 13, 0, 6
        case "openai-chat":
            uncached, read, written, out = 10 - 6, 6, 0, 4
        case _:
            uncached, read, written, out = 9, 0, 0, 3
    dollars = (
        uncached * PRICES["input"]
        + read * PRICES["cached_input"]
        + written * PRICES["cache_write"]
        + out * PRICES["output"]
    )
    return Fraction(dollars) / 1_000_000


def response(status: str) -> dict[str, Any]:
    text: dict[str, Any] = {"type": "output_text", "text": "Hello", "annotations": []}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1764000000,
        "status": status,
        "model": "m",
        "output": [{**message, "content": [text]}] if status == "completed" else [],
        "usage": RESPONSES if status == "completed" else None,
    }


def named(*events: dict[str, Any]) -> Iterable[bytes]:
    """Server-sent events that say their type twice, as Anthropic's and Responses' do."""
    for one in events:
        yield chunked(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode())


def gemini(text: str, **more: Any) -> dict[str, Any]:
    content = {"role": "model", "parts": [{"text": text}]}
    return {"candidates": [{"index": 0, "content": content, **more}], "modelVersion": "m"}


START: Final[dict[str, Any]] = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**CLAUDE, "output_tokens": 1},
    },
}
BLOCK: Final[tuple[dict[str, Any], ...]] = (
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "Hello there"},
    },
)


def whole(path: str) -> Script:
    """One answer, by where it was asked for."""
    if path.endswith("/messages"):
        text = {"type": "text", "text": "Hello"}
        message = START["message"] | {"content": [text], "stop_reason": "end_turn", "usage": CLAUDE}
        return [answer(200, message)]
    if ":generateContent" in path:
        return [answer(200, {**gemini("Hello", finishReason="STOP"), "usageMetadata": GEMINI})]
    if path.endswith("/responses"):
        return [answer(200, response("completed"))]
    if path.endswith("/api/chat"):
        message = {"role": "assistant", "content": "Hello"}
        told = {"model": "m", "created_at": "2026-11-24T12:00:00Z", "message": message}
        return [answer(200, {**told, "done": True, "done_reason": "stop", **OLLAMA})]
    return [answer(200, COMPLETION)]


def streamed(path: str) -> Script:
    """The same, piece by piece."""
    if path.endswith("/messages"):
        end = {"stop_reason": "end_turn", "stop_sequence": None}
        events = (
            START,
            *BLOCK,
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": end, "usage": {"output_tokens": 5}},
            {"type": "message_stop"},
        )
        return [STREAM_HEAD, *named(*events), STREAM_END]
    if ":streamGenerateContent" in path:
        last = {**gemini("lo", finishReason="STOP"), "usageMetadata": GEMINI}
        return [STREAM_HEAD, event(gemini("Hel")), event(last), STREAM_END]
    if path.endswith("/responses"):
        item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress"}
        part: dict[str, Any] = {"type": "output_text", "text": "", "annotations": []}
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        events: tuple[dict[str, Any], ...] = (
            {"type": "response.created", "response": response("in_progress")},
            {
                "type": "response.output_item.added",
                "output_index": 0,
                "item": {**item, "content": []},
            },
            {"type": "response.content_part.added", **place, "part": part},
            {"type": "response.output_text.delta", **place, "delta": "Hello"},
            {"type": "response.output_text.done", **place, "text": "Hello"},
            {"type": "response.completed", "response": response("completed")},
        )
        return [STREAM_HEAD, *named(*events), STREAM_END]
    if path.endswith("/api/chat"):
        told: dict[str, Any] = {"model": "m", "created_at": "2026-11-24T12:00:00Z"}
        message = {"role": "assistant", "content": "Hello"}
        lines = (
            {**told, "message": message, "done": False},
            {
                **told,
                "message": {**message, "content": ""},
                "done": True,
                "done_reason": "stop",
                **OLLAMA,
            },
        )
        return [
            STREAM_HEAD.replace(b"text/event-stream", b"application/x-ndjson"),
            *(chunked(json.dumps(line).encode() + b"\n") for line in lines),
            STREAM_END,
        ]
    return WHOLE_STREAM


def provider(request: Recorded) -> Script:
    text = request.body.decode()
    if "please fail" in text:
        return [answer(500, {"error": {"message": "down", "type": "server_error"}})]
    if "please wait" in text:
        return [STREAM_HEAD, *named(START, *BLOCK), HANG]
    path = request.target.partition("?")[0]
    is_stream = ":streamGenerateContent" in path or request.json().get("stream") is True
    return streamed(path) if is_stream else whole(path)


def asked(format_: str, text: str = "hi", *, stream: bool = False) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"model": f"{format_}/m", "messages": messages, "max_tokens": 99, "stream": stream}


def ask(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    freshen(folder / "data", patience_s=5)
    with open_ledger(folder / "data", patience_s=5) as database:
        return database.execute(sql).fetchall()


async def leave(gateway: Gateway) -> None:
    """Ask for a stream, read its beginning, and go."""
    body = asked("anthropic", "please wait", stream=True)
    async with (
        gateway.fresh_client() as client,
        client.stream("POST", "/v1/messages", json=body) as reply,
    ):
        async for line in reply.aiter_lines():
            if "Hello there" in line:
                break
    await until(lambda: gateway.runtime.in_flight == 0)


async def test_the_ledger_s_sum_is_the_bill(tmp_path: Path) -> None:
    expected = Fraction(0)
    async with scripted_upstream(provider) as upstream:
        text = CONFIG + "".join(
            PROVIDER.format(format=name, url=upstream.url, base=base)
            for name, base in BASES.items()
        )
        async with running(tmp_path, text) as gateway:
            for format_ in BASES:
                for path in ("/v1/chat/completions", "/v1/messages"):
                    for stream in (False, True):
                        reply = await gateway.client.post(path, json=asked(format_, stream=stream))
                        assert reply.status_code == httpx.codes.OK, reply.text
                        expected += billed(format_)
                failed = await gateway.client.post(
                    "/v1/chat/completions", json=asked(format_, "please fail")
                )
                assert failed.status_code >= 500
            await leave(gateway)
    by_status = dict(ask(tmp_path, "SELECT status // 100, count(*) FROM requests GROUP BY 1"))
    assert by_status == {2: 4 * len(BASES), 5: len(BASES), 4: 1}
    told = ask(
        tmp_path,
        "SELECT provider, cost_usd, usage_estimated, stream FROM requests WHERE status < 400",
    )
    assert [row for row in told if (Fraction(row[1]), row[2]) != (billed(row[0]), False)] == []
    ((summed,),) = ask(tmp_path, "SELECT sum(cost_usd) FROM requests WHERE status < 400")
    assert Fraction(summed) == expected
    assert ask(tmp_path, "SELECT DISTINCT cost_usd FROM requests WHERE status >= 500") == [(None,)]
    # Who leaves pays for the input that was counted, and for the output that had come.
    ((cost, output, estimated),) = ask(
        tmp_path,
        "SELECT cost_nanousd, output_tokens, usage_estimated FROM requests WHERE status = 499",
    )
    assert estimated
    assert output > 1
    assert cost == 11 * 2000 + 101 * 500 + 7 * 3000 + output * 8000
