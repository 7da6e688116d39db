"""A provider that answers otherwise than it was asked: what clients get, and what is recorded."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator

import httpx
import pytest
import pytest_asyncio
from msgspec import Struct

from omniroute.ledger.record import RequestRecord, parse_line
from tests.chat import COMPLETION, STREAM_HEAD, WHOLE_STREAM, event, lab
from tests.running import Gateway, running, until
from tests.scripted import LAST_CHUNK, Script, chunk, chunked_head, respond, scripted_upstream

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages"}
WHOLE = respond(json.dumps(COMPLETION, indent=1).encode())
SLOWLY = [chunked_head(content_type="text/event-stream"), chunk(b"\n"), chunk(b"\n \n")]
STREAM = b"".join(WHOLE_STREAM)
WRONG_TYPE = STREAM.replace(b"text/event-stream", b"application/json")
PAGE = respond(b"<!DOCTYPE html>\n<title>Welcome</title>", content_type="text/html")
BUSY = STREAM_HEAD + event({"error": {"message": "no room", "type": "server_error"}}) + LAST_CHUNK
GOOD = """
  good: {preset: echo}
combos:
  c: {targets: [lab/m, good/echo]}
resilience: {retry: {attempts: 1}, breaker: {failures: 0}, cooldown: {error: 0s}}
"""


class Lab(Struct):
    """A gateway before a provider that answers as each test sets it."""

    gateway: Gateway
    script: Script = ()

    async def ask(
        self, client: str, script: Script, *, stream: bool, model: str = "lab/m"
    ) -> httpx.Response:
        self.script = script
        turns = [{"role": "user", "content": "hi"}]
        body = {"model": model, "stream": stream, "max_tokens": 9, "messages": turns}
        return await self.gateway.client.post(PATHS[client], json=body)

    async def record_of(self, reply: httpx.Response) -> RequestRecord:
        name, spool = reply.headers["X-Request-Id"], self.gateway.folder / "data" / "spool"

        def found() -> list[RequestRecord]:
            files = [path for path in spool.rglob("*") if path.is_file()]
            lines = [line for path in files for line in path.read_bytes().splitlines()]
            return [parse_line(line) for line in lines if name.encode() in line]

        await until(lambda: bool(found()))
        return found()[0]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Lab]:
    async with scripted_upstream(lambda _: made.script) as upstream:
        text = lab(upstream.url, provider=GOOD)
        async with running(tmp_path_factory.mktemp("arrived"), text) as gateway:
            made = Lab(gateway)
            yield made


@pytest.mark.parametrize(
    "script", [[WHOLE], [*SLOWLY, chunk(json.dumps(COMPLETION).encode()), LAST_CHUNK]]
)
@pytest.mark.parametrize("client", PATHS)
async def test_json_for_a_stream(provider: Lab, client: str, script: Script) -> None:
    reply = await provider.ask(client, script, stream=True)
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    ends = {"chat": "data: [DONE]", "messages": 'data: {"type":"message_stop"}'}
    assert reply.text.rstrip().endswith(ends[client])
    assert '"Hello"' in reply.text
    record = await provider.record_of(reply)
    assert (record.stream, record.status, record.error_class) == (True, 200, None)
    assert (record.input_uncached, record.cache_read, record.output) == (4, 6, 4)
    assert record.cost_nanousd == 4 * 2000 + 6 * 1000 + 4 * 8000
    assert not record.usage_estimated


@pytest.mark.parametrize("script", [[STREAM], [WRONG_TYPE]])
@pytest.mark.parametrize("client", PATHS)
async def test_a_stream_for_json(provider: Lab, client: str, script: Script) -> None:
    reply = await provider.ask(client, script, stream=False)
    assert reply.headers["content-type"].startswith("application/json")
    body = reply.json()
    if client == "chat":
        assert body["choices"][0]["message"]["content"] == "Hello"
        assert body["usage"]["completion_tokens"] == 4
    else:
        assert [block["text"] for block in body["content"]] == ["Hello"]
        assert body["usage"]["output_tokens"] == 4
    record = await provider.record_of(reply)
    assert (record.stream, record.status, record.cost_nanousd) == (False, 200, 46_000)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("script", "status", "words"),
    [
        ([PAGE], 502, "the provider answered with a web page: its base_url is probably wrong"),
        ([BUSY], 502, "no room"),
        ([respond(json.dumps({"error": {"message": "no room"}}).encode())], 502, "no room"),
    ],
    ids=["a page", "an error in a stream", "an error"],
)
async def test_what_is_no_answer(
    provider: Lab, script: Script, status: int, words: str, *, stream: bool
) -> None:
    for client in PATHS:
        reply = await provider.ask(client, script, stream=stream)
        assert (reply.status_code, reply.json()["error"]["message"]) == (status, words)
    reply = await provider.ask("chat", script, stream=stream, model="c")
    assert (reply.status_code, reply.headers["X-OmniRoute-Provider"]) == (200, "good")
