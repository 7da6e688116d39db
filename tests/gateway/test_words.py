"""A provider that quotes our credential tells it to nobody: every way in, and every way out.

The key stands wherever a provider's words can: in each member of an error, in pages, broken and
cut bodies, headers, the reason phrase, events before and behind the first word. It is then looked
for in what each client is told, the ledger, the log, the metrics and all that management answers.
"""

from __future__ import annotations

import asyncio
import html
import json
import logging
from base64 import b64encode
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

import httpx
import pytest

from omniroute.base.secret import MASK
from omniroute.http.edge.routes import Surface
from omniroute.http.surface import routes
from omniroute.ledger.queries import open_ledger
from tests.running import Gateway, running, until
from tests.scripted import CUT, Recorded, Script, scripted_upstream
from tests.translation.golden import upstream_bytes

KEY: Final = 'k-lab/7h3+"s3cret"&0123456789abcdefghijkl'
TOKEN: Final = "t0ken-of-the-lab-0a1b2c3d4e5f"  # noqa: S105 - likewise
"""Only a part of its header's value."""
PASSWORD: Final = "pr0xy-pass-word-9876543210"  # noqa: S105 - a secret of the test
SECRETS: Final = (KEY, TOKEN, PASSWORD)
KNOWN: Final = 12
"""So much of a secret's beginning may be left where a text was cut."""

SPELLED: Final[Mapping[str, str]] = {
    "plain": KEY,
    "in JSON": json.dumps(KEY)[1:-1],
    "percent-encoded": quote(KEY, safe=""),
    "in HTML": html.escape(KEY),
    "in base64": b64encode(f"user:{KEY}".encode()).decode(),
    "a part of a header": f"Bearer {TOKEN}",
    "the part alone": TOKEN,
}
EVERYWHERE: Final = " and ".join(SPELLED.values())


def left_of(secret: str) -> tuple[str, ...]:
    """What must not be read anywhere of a secret: its beginning, its end, and both in base64."""
    coded = [b64encode(bytes(at) + secret.encode()).decode()[4:-4] for at in range(3)]
    return (secret[: KNOWN + 1], secret[-KNOWN:], *(one[:KNOWN] for one in coded))


FORBIDDEN: Final = tuple(piece.lower() for secret in SECRETS for piece in left_of(secret))


def leaks(text: str) -> list[str]:
    """The pieces of secrets in a text, however they are escaped there."""
    plain = text.lower()
    ways = (plain, html.unescape(plain), unquote(plain), plain.replace("\\", ""))
    return [piece for piece in FORBIDDEN if any(piece in way for way in ways)]


def error_body(words: str) -> dict[str, Any]:
    """An error that every format's table can read, with the words in each place."""
    said = dict.fromkeys(("message", "code", "type", "param", "status"), words)
    return {**said, "type": "error", "detail": words, "error": said}


def http(status: int, body: bytes, *, reason: str = "X", length: int | None = None) -> bytes:
    headers = (
        "content-type: application/json",
        f"retry-after: {KEY}",
        f"retry-after-ms: {KEY}",
        f"x-request-id: {KEY}",
        f"x-ratelimit-remaining-requests: {KEY}",
        f"x-ratelimit-reset-requests: {KEY}",
        f"anthropic-ratelimit-requests-reset: {KEY}",
        f"location: http://other.example/?key={KEY}",
        f"content-length: {len(body) if length is None else length}",
    )
    return "\r\n".join([f"HTTP/1.1 {status} {reason}", *headers, "", ""]).encode() + body


def refusals() -> Iterator[tuple[str, Script]]:
    """Error answers, by what they are."""
    for name, spelled in SPELLED.items():
        yield f"members, {name}", [http(400, json.dumps(error_body(f"no {spelled}")).encode())]
    for status in (401, 403, 404, 429, 500, 503, 529, 302):
        yield str(status), [http(status, json.dumps(error_body(f"no {KEY}")).encode())]
    yield "a plain body", [http(400, f"no {EVERYWHERE}".encode())]
    yield "a page", [http(502, f"<html><b>{html.escape(KEY)}</b> {EVERYWHERE}</html>".encode())]
    yield "a reason", [http(500, b"", reason=f"no {KEY}")]
    yield "broken JSON", [http(400, f'{{"error": {{"message": "no {KEY}'.encode())]
    yield "a list", [http(400, json.dumps([error_body(KEY)]).encode())]
    yield "a text", [http(400, json.dumps(KEY).encode())]
    for kept in (KNOWN - 1, KNOWN + 1, 20, len(KEY) - 1):
        said = f'{{"error": {{"message": "no {KEY[:kept]}'.encode()
        yield f"cut behind {kept}", [http(400, said, length=9999), CUT]
    long = f"{'x' * (3990 - 3)} {KEY} {'y' * 9000}"
    yield "where we cut", [http(400, long.encode())]
    yield "an error that is well", [http(200, json.dumps({"error": error_body(KEY)}).encode())]
    yield "no HTTP", [f"HTTP/1.1 2x0 {KEY}\r\n\r\n".encode(), CUT]
    yield (
        "another coding",
        [f"HTTP/1.1 200 X\r\ncontent-encoding: {KEY}\r\ncontent-length: 2\r\n\r\n{{}}".encode()],
    )


BEGUN: Final[Mapping[str, list[Any]]] = {
    "openai-chat": [
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "model": "m",
            "choices": [{"index": 0, "delta": {"content": "word"}, "finish_reason": None}],
        }
    ],
    "openai-responses": [
        {"type": "response.created", "response": {"id": "r", "model": "m", "created_at": 1}},
        {
            "type": "response.output_text.delta",
            "output_index": 0,
            "content_index": 0,
            "delta": "word",
        },
    ],
    "anthropic": [
        {"type": "message_start", "message": {"id": "m", "model": "m", "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "word"},
        },
    ],
    "gemini": [{"candidates": [{"content": {"parts": [{"text": "word"}]}}]}],
    "ollama": [{"model": "m", "message": {"content": "word"}, "done": False}],
}
ERRORS: Final[Mapping[str, tuple[Any, ...]]] = {
    "openai-chat": (
        {"error": error_body(EVERYWHERE)},
        {"error": EVERYWHERE},
        {"object": "error", "message": EVERYWHERE, "code": KEY},
        {"object": "error", "type": "error", "message": KEY},
    ),
    "openai-responses": (
        error_body(EVERYWHERE),
        {"type": "response.failed", "response": {"error": error_body(EVERYWHERE)}},
    ),
    "anthropic": ({"type": "error", "error": error_body(EVERYWHERE)},),
    "gemini": (
        {"error": {**error_body(EVERYWHERE), "details": [{"reason": KEY, "retryDelay": KEY}]}},
    ),
    "ollama": ({"error": EVERYWHERE}, {"error": error_body(EVERYWHERE)}),
}
PROVIDERS: Final = tuple(BEGUN)


def streams(provider: str) -> Iterator[tuple[str, Script]]:
    """Streams that fail, before their first word and behind it."""
    kind = "application/x-ndjson" if provider == "ollama" else "text/event-stream"
    head = f"HTTP/1.1 200 {KEY}\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n".encode()
    for number, error in enumerate(ERRORS[provider]):
        frame = upstream_bytes(provider, [error])
        word = upstream_bytes(provider, BEGUN[provider])
        yield f"first, {number}", [head, frame, CUT]
        yield f"first and cut, {number}", [head, frame.rstrip(), CUT]
        yield f"announced, {number}", [
            head, upstream_bytes(provider, BEGUN[provider][:-1]), frame, CUT,
        ]  # fmt: skip
        yield f"behind a word, {number}", [head, word, asyncio.Event(), frame, CUT]
        yield f"with a word, {number}", [head, word + frame + word, CUT]
        yield (
            f"cut inside, {number}",
            [head, word, asyncio.Event(), frame[: frame.index(b"s3cret")], CUT],
        )
    if provider != "ollama":
        named = f"event: error\ndata: {json.dumps({'message': EVERYWHERE, 'detail': KEY})}\n\n"
        broken = f'event: error\ndata: {{"error": "{KEY}\n\n'
        comment = f": {KEY}\n\n"
        for name, text in (("named", named), ("broken", broken), ("comment", comment)):
            yield f"{name} first", [head, text.encode(), CUT]
            word = upstream_bytes(provider, BEGUN[provider])
            yield name, [head, word, asyncio.Event(), text.encode(), CUT]


CHAT: Final = [{"role": "user", "content": "hi"}]


def asked(client: str, provider: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
    """Path and body of a request in a client's format."""
    model = f"{provider}/m"
    if client == "gemini":
        way = "streamGenerateContent?alt=sse" if stream else "generateContent"
        contents = [{"role": "user", "parts": [{"text": "hi"}]}]
        return f"/v1beta/models/{model}:{way}", {"contents": contents}
    path, body = {
        "openai-chat": ("/v1/chat/completions", {"messages": CHAT}),
        "openai-responses": ("/v1/responses", {"input": "hi"}),
        "anthropic": ("/v1/messages", {"messages": CHAT, "max_tokens": 9}),
        "ollama": ("/api/chat", {"messages": CHAT}),
        "ollama-generate": ("/api/generate", {"prompt": "hi"}),
    }[client]
    return path, {**body, "model": model, "stream": stream}


CLIENTS: Final = (*PROVIDERS, "ollama-generate")


class Lab:
    """A gateway whose providers all say what the test wants."""

    def __init__(self) -> None:
        self.script: Script = []
        self.gateway: Gateway

    def play(self, request: Recorded) -> Script:
        return self.script

    async def told(self, script: Script, path: str, body: Mapping[str, Any]) -> httpx.Response:
        """The answer. Where the script waits, it goes on when the client has the head."""
        self.script = script
        async with self.gateway.client.stream("POST", path, json=body) as reply:
            for step in script:
                if isinstance(step, asyncio.Event):
                    step.set()
            await reply.aread()
        return reply


def config(url: str, more: str = "", client: str = "fast") -> str:
    providers = "".join(
        f"""
  {name}:
    format: {name}
    base_url: {url}{"/v1" if name.startswith("openai") else ""}
    client: {client}
    allow_private_network: true
    headers: {{x-lab: "Bearer ${{file:token}}"}}
    connections: {{main: {{api_key: "${{file:key}}"}}}}
    models:
      m: {{price: {{input: 1, output: 1}}}}
      small: {{kind: embedding, price: {{input: 10, output: 0}}}}"""
        for name in PROVIDERS
    )
    return f"""
version: 1
providers:{providers}
idempotency: {{window: 0s}}
resilience:
  retry: {{attempts: 1}}
  breaker: {{failures: 0}}
  cooldown: {{rate_limited: 0s, error: 0s, auth: 0s}}
{more}
"""


@asynccontextmanager
async def lab(folder: Path, more: str = "", client: str = "fast") -> AsyncGenerator[Lab]:
    """Afterwards it looks through all that is left of the requests."""
    (folder / "key").write_text(KEY)
    (folder / "token").write_text(TOKEN)
    found = Lab()
    async with scripted_upstream(found.play) as upstream:
        async with running(folder, config(upstream.url, more, client)) as gateway:
            found.gateway = gateway
            yield found
            await look_at_management(gateway)
        with open_ledger(folder / "data", patience_s=5) as ledger:
            for table in ("requests", "attempts"):
                rows = ledger.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - ours
                assert leaks(repr(rows)) == []
                assert rows


async def look_at_management(gateway: Gateway) -> None:
    seen = 0
    for route in routes(gateway.runtime.snapshot.formats):
        if route.method == "GET" and "<" not in route.path and route.surface != Surface.INFERENCE:
            reply = await gateway.client.get(route.path)
            assert leaks(f"{reply.headers} {reply.text}") == [], route.path
            seen += 1
    assert seen > 8


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """All that is logged, at every level, is looked at too."""
    with caplog.at_level(logging.DEBUG, "omniroute"):
        yield
    render = logging.Formatter().format  # with the traceback, where there is one
    said = [render(record) for record in caplog.get_records("call")]
    assert said
    assert leaks("\n".join(said)) == []


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_refusal_tells_no_client(tmp_path: Path, provider: str, *, stream: bool) -> None:
    async with lab(tmp_path) as words:
        for client in CLIENTS:
            for name, script in refusals():
                reply = await words.told(script, *asked(client, provider, stream=stream))
                assert leaks(f"{reply.headers} {reply.text}") == [], (client, name)
                assert reply.status_code >= 400, (client, name)
                if name.startswith("members"):
                    assert MASK in reply.text, (client, name)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_stream_tells_no_client(tmp_path: Path, provider: str) -> None:
    async with lab(tmp_path) as words:
        for client in CLIENTS:
            for name, script in streams(provider):
                reply = await words.told(script, *asked(client, provider, stream=True))
                assert leaks(f"{reply.headers} {reply.text}") == [], (client, name)
                if "behind a word" in name:
                    assert "word" in reply.text
                    assert MASK in reply.text, (client, name)
                elif "first, " in name:
                    assert reply.status_code >= 400
                    assert MASK in reply.text, (client, name)


async def test_another_client_library_tells_as_little(tmp_path: Path) -> None:
    async with lab(tmp_path, client="httpx") as words:
        for name, script in refusals():
            reply = await words.told(script, *asked("openai-chat", "openai-chat", stream=False))
            assert leaks(f"{reply.headers} {reply.text}") == [], name


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_counting_tells_nobody(tmp_path: Path, provider: str) -> None:
    body = {"model": f"{provider}/m", "messages": CHAT}
    contents = [{"role": "user", "parts": [{"text": "hi"}]}]
    async with lab(tmp_path) as words:
        for name, script in refusals():
            for path, ask in (
                ("/v1/messages/count_tokens", body),
                (f"/v1beta/models/{provider}/m:countTokens", {"contents": contents}),
            ):
                reply = await words.told(script, path, ask)
                assert leaks(f"{reply.headers} {reply.text}") == [], name
                assert reply.headers["x-omniroute-token-count"] == "estimate"
        await words.told(next(refusals())[1], *asked("openai-chat", provider, stream=False))


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "anthropic"])
async def test_a_failed_embedding_tells_nobody(tmp_path: Path, provider: str) -> None:
    more = f"""
cache: {{semantic: {{enabled: true, embedding_model: {provider}/small, threshold: 0.95}}}}
"""
    async with lab(tmp_path, more) as words:
        semantic = words.gateway.runtime.semantic
        for name, script in refusals():
            semantic.failed("it rests no longer", -1e9)
            semantic.works()
            path, body = asked("openai-chat", provider, stream=False)
            reply = await words.told(script, path, {**body, "temperature": 0})
            assert leaks(f"{reply.headers} {reply.text}") == [], name
        assert sum(semantic.failures.values()) == len(list(refusals()))


async def test_a_webhooks_receiver_tells_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = json.dumps(
        {
            "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20},
        }
    ).encode()
    answers = [
        script
        for name, script in refusals()
        if name in ("401", "another coding", "a plain body", "a reason")
    ]
    for number, script in enumerate(answers):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with scripted_upstream(list(script)) as receiver:
            (folder / "hook").write_text(f"{receiver.url}/{TOKEN}?token={quote(KEY, safe='')}")
            budget = """
budgets:
  all:
    limit: 0.00001
    period: total
    warn_at: [40%]
    action: warn
    webhook: {url: "${file:hook}", allow_private_network: true}
"""
            async with lab(folder, budget) as words:
                words.gateway.runtime._webhooks._waits_s = ()  # pyright: ignore[reportPrivateUsage]
                await words.told(
                    [http(200, good)], *asked("openai-chat", "openai-chat", stream=False)
                )
                await until(lambda: bool(words.gateway.runtime.meters.hooks))
    assert caplog.text.count("its webhook was not reached") == len(answers)


@pytest.mark.parametrize("status", [403, 407])
async def test_a_proxy_tells_nobody(tmp_path: Path, status: int) -> None:
    said = f"no {KEY} {PASSWORD}"
    async with scripted_upstream([http(status, said.encode(), reason=said)]) as proxy:
        (tmp_path / "proxy").write_text(f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}")
        async with lab(tmp_path, 'settings: {proxy: "${file:proxy}"}') as words:
            for client in CLIENTS:
                reply = await words.told([], *asked(client, "openai-chat", stream=False))
                assert leaks(f"{reply.headers} {reply.text}") == []
                assert reply.status_code >= 400
