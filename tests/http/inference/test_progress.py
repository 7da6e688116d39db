"""Progress events on real streams, and the official SDKs reading over them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
from google import genai
from google.genai import types

from tests.chat import ASK, DONE, STREAM_END, STREAM_HEAD, USAGE_EVENT, chunked, delta, lab
from tests.running import Gateway, running
from tests.scripted import scripted_upstream
from tests.translation.tables import formats

ASKED = {"X-OmniRoute-Progress": "true"}
TEXT = "Hello"


class Steps:
    """Lets a script go on, one halt for each word that the client has read."""

    def __init__(self, count: int) -> None:
        self.events = [asyncio.Event() for _ in range(count)]

    def words(self, text: str) -> None:
        """The client has read `text` so far."""
        if text == "Hel":
            self.events[0].set()
        elif text == TEXT:
            self.all()

    def all(self) -> None:
        for event in self.events:
            event.set()


@asynccontextmanager
async def halting(folder: Path) -> AsyncGenerator[tuple[Gateway, Steps]]:
    """A gateway whose provider stands still after each of its words until it is let go on."""
    go_on = Steps(2)
    rest = [go_on.events[1], delta(finish="stop"), USAGE_EVENT, DONE, STREAM_END]
    async with (
        scripted_upstream(
            [STREAM_HEAD, delta("Hel"), go_on.events[0], delta("lo"), *rest]
        ) as upstream,
        running(folder, lab(upstream.url)) as gateway,
    ):
        yield gateway, go_on


async def test_progress_is_sent_when_asked_for(tmp_path: Path) -> None:
    async with halting(tmp_path) as (gateway, go_on):
        ask = {**ASK, "stream": True}
        async with gateway.client.stream(
            "POST", "/v1/chat/completions", json=ask, headers=ASKED
        ) as reply:
            assert reply.headers["x-omniroute-progress"] == "enabled"
            lines: list[str] = []
            async for line in reply.aiter_lines():
                lines.append(line)
                go_on.words("Hel" if "Hel" in line else TEXT if '"lo"' in line else "")
        assert lines.count("event: progress") == 1
        at = lines.index("event: progress")
        assert lines[at - 1] == ""
        assert '"chunks":' in lines[at + 1]
        assert "[DONE]" in lines[-2] or "[DONE]" in lines[-1]


async def test_nobody_else_sees_progress(tmp_path: Path) -> None:
    async with halting(tmp_path) as (gateway, go_on):
        go_on.all()
        ask = {**ASK, "stream": True}
        reply = await gateway.client.post("/v1/chat/completions", json=ask)
        assert "progress" not in reply.text
        assert "x-omniroute-progress" not in reply.headers
        lines = await gateway.client.post("/v1/api/chat", json=ask, headers=ASKED)
        assert "x-omniroute-progress" not in lines.headers
        assert "progress" not in lines.text


async def test_the_openai_sdk_reads_over_it(tmp_path: Path) -> None:
    async with (
        halting(tmp_path) as (gateway, go_on),
        openai.AsyncOpenAI(
            base_url=f"{gateway.url}/v1", api_key="k", default_headers=ASKED, max_retries=0
        ) as client,
    ):
        said, seen = "", 0
        messages: Any = ASK["messages"]
        stream = await client.chat.completions.create(model="lab/m", messages=messages, stream=True)
        async for chunk in stream:
            seen += not chunk.choices
            said += "".join(choice.delta.content or "" for choice in chunk.choices)
            go_on.words(said)
        assert said == TEXT
        assert seen >= 1


def frames(format: str, *bodies: dict[str, Any]) -> list[bytes]:
    """Events of a format, with progress between each two of them."""
    client = formats().client(format)
    sent = [STREAM_HEAD]
    for at, body in enumerate(bodies):
        if at:
            sent.append(
                chunked(client.progress({"elapsedMs": at * 1000, "chunks": at, "tokens": at}))
            )
        name = f"event: {body['type']}\n" if "type" in body else ""
        sent.append(chunked(f"{name}data: {json.dumps(body)}\n\n".encode()))
    return [*sent, STREAM_END]


async def test_the_openai_responses_helper_reads_over_it() -> None:
    part: dict[str, Any] = {"type": "output_text", "text": "", "annotations": []}
    item = {"id": "m", "type": "message", "role": "assistant", "status": "in_progress"}
    whole: dict[str, Any] = {**item, "status": "completed", "content": [{**part, "text": TEXT}]}
    response: dict[str, Any] = {
        "id": "r",
        "object": "response",
        "created_at": 0,
        "model": "m",
        "status": "in_progress",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    place = {"item_id": "m", "output_index": 0, "content_index": 0}
    bodies: list[dict[str, Any]] = [
        {"type": "response.created", "response": response},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        {"type": "response.content_part.added", **place, "part": part},
        {"type": "response.output_text.delta", **place, "delta": "Hel", "logprobs": []},
        {"type": "response.output_text.delta", **place, "delta": "lo", "logprobs": []},
        {"type": "response.output_text.done", **place, "text": TEXT, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": {**part, "text": TEXT}},
        {"type": "response.output_item.done", "output_index": 0, "item": whole},
        {
            "type": "response.completed",
            "response": {**response, "status": "completed", "output": [whole]},
        },
    ]
    numbered = [{**body, "sequence_number": at} for at, body in enumerate(bodies)]
    async with (
        scripted_upstream(frames("openai-responses", *numbered)) as upstream,
        openai.AsyncOpenAI(base_url=upstream.url, api_key="k", max_retries=0) as client,
    ):
        said, kinds = "", list[str]()
        async with client.responses.stream(model="m", input="hi") as stream:
            async for event in stream:
                kinds.append(event.type)
                if event.type == "response.output_text.delta":
                    said += event.delta
            final = await stream.get_final_response()
        assert said == final.output_text == TEXT
        assert kinds.count("progress") == len(bodies) - 1


async def test_the_anthropic_helper_reads_over_it(tmp_path: Path) -> None:
    async with (
        halting(tmp_path) as (gateway, go_on),
        anthropic.AsyncAnthropic(
            base_url=gateway.url, api_key="k", default_headers=ASKED, max_retries=0
        ) as client,
    ):
        said = ""
        async with client.messages.stream(
            model="lab/m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]
        ) as stream:
            async for text in stream.text_stream:
                said += text
                go_on.words(said)
            final = await stream.get_final_message()
        assert said == TEXT
        assert final.stop_reason == "end_turn"


async def test_the_gemini_sdk_reads_over_it() -> None:
    def piece(text: str, **more: str) -> dict[str, Any]:
        return {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, **more}]}

    script = frames("gemini", piece("Hel"), piece("lo", finishReason="STOP"))
    async with scripted_upstream(script) as upstream, httpx.AsyncClient() as http:
        options = types.HttpOptions(base_url=upstream.url, httpx_async_client=http)
        client = genai.Client(api_key="k", http_options=options)
        try:
            said, seen = "", 0
            models: Any = client.aio.models  # its types have unknown parts
            async for chunk in await models.generate_content_stream(model="m", contents="hi"):
                seen += not chunk.candidates
                said += chunk.text or ""
        finally:
            client.close()
        assert (said, seen) == (TEXT, 1)
