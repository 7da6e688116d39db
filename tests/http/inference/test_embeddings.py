"""Vectors: what the official SDKs get is what the provider gave, whichever format either speaks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import ollama
import openai
import orjson
import pytest
from google import genai
from google.genai import types

from omniroute.config.model import RequestLimits
from omniroute.ledger.record import RequestRecord, parse_line
from omniroute.request.bounds import check_size
from tests.chat import answer
from tests.running import ECHO, Gateway, running
from tests.scripted import scripted_upstream
from tests.upstreams.server import Upstream
from tests.upstreams.server import running as provider
from tests.upstreams.vectors import SIZE, vector

UPSTREAMS = ("openai-chat", "gemini", "ollama")
TEXTS = ["one", "two words", "größer"]
Vectors = list[list[float]]
Sdk = Callable[[str, str, list[str], int | None], Coroutine[Any, Any, Vectors]]


def lab(format: str, url: str, name: str | None = None) -> str:
    return f"""\
  {name or format}:
    format: {format}
    base_url: {url}
    allow_private_network: true
    connections: {{main: {{api_key: "${{env:LAB_KEY:-lab-credential}}"}}}}
    models: {{m: {{kind: embedding, price: {{input: 10, output: 99}}}}}}
"""


class Labs:
    """A gateway in front of one provider of each format."""

    def __init__(self, gateway: Gateway, upstreams: dict[str, Upstream]) -> None:
        self.gateway = gateway
        self.upstreams = upstreams

    def refused(self) -> list[Any]:
        return [one for upstream in self.upstreams.values() for one in upstream.refused]


@asynccontextmanager
async def labs(tmp_path: Path, more: str = "") -> AsyncGenerator[Labs]:
    async with AsyncExitStack() as stack:
        upstreams = {name: await stack.enter_async_context(provider(name)) for name in UPSTREAMS}
        text = "version: 1\nproviders:\n" + "".join(
            lab(name, upstream.url) for name, upstream in upstreams.items()
        )
        gateway = await stack.enter_async_context(running(tmp_path, text + more))
        yield Labs(gateway, upstreams)


def records(gateway: Gateway) -> list[RequestRecord]:
    lines = [
        line
        for path in sorted((gateway.folder / "data" / "spool").rglob("*"))
        if path.is_file()
        for line in path.read_bytes().splitlines()
        if line.startswith(b"{")
    ]
    return [parse_line(line) for line in lines]


async def by_openai(url: str, model: str, texts: list[str], size: int | None) -> Vectors:
    """As the SDK asks by itself: in base64."""
    more: Any = {} if size is None else {"dimensions": size}
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client:
        reply = await client.embeddings.create(model=model, input=texts, **more)
    assert [one.index for one in reply.data] == list(range(len(texts)))
    return [one.embedding for one in reply.data]


async def by_openai_in_numbers(url: str, model: str, texts: list[str], size: int | None) -> Vectors:
    more: Any = {} if size is None else {"dimensions": size}
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client:
        reply = await client.embeddings.create(
            model=model, input=texts, encoding_format="float", user="u", **more
        )
    return [one.embedding for one in reply.data]


async def by_gemini(url: str, model: str, texts: list[str], size: int | None) -> Vectors:
    async with httpx.AsyncClient() as http:
        options = types.HttpOptions(base_url=url, httpx_async_client=http)
        client = genai.Client(api_key="x", http_options=options)
        models: Any = client.aio.models
        reply: types.EmbedContentResponse = await models.embed_content(
            model=model,
            contents=texts,
            config=types.EmbedContentConfig(output_dimensionality=size),
        )
        client.close()
    return [one.values or [] for one in reply.embeddings or []]


async def by_ollama(url: str, model: str, texts: list[str], size: int | None) -> Vectors:
    sdk: Any = ollama.AsyncClient(host=url)
    async with sdk as client:
        reply = await client.embed(model=model, input=texts, dimensions=size)
    return [list(one) for one in reply.embeddings]


SDKS: dict[str, Sdk] = {
    "openai": by_openai,
    "openai in numbers": by_openai_in_numbers,
    "gemini": by_gemini,
    "ollama": by_ollama,
}


async def test_every_client_gets_the_same_vectors_of_every_provider(tmp_path: Path) -> None:
    async with labs(tmp_path) as served:
        for ask in SDKS.values():
            for upstream in UPSTREAMS:
                for size in (None, 7):
                    found = await ask(served.gateway.url, f"{upstream}/m", TEXTS, size)
                    assert found == [vector(text, size or SIZE) for text in TEXTS]
        assert served.refused() == []
        rows = records(served.gateway)
    assert {(one.kind, one.status, one.output) for one in rows} == {("embedding", 200, 0)}
    # Four words, as each provider counts them, at ten dollars a million.
    assert {(one.input_uncached, one.cost_nanousd) for one in rows} == {(4, 40_000)}
    assert not any(one.usage_estimated for one in rows)


async def test_a_text_alone_and_tokens(tmp_path: Path) -> None:
    async with labs(tmp_path) as served:
        url = f"{served.gateway.url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0) as client:
            asked: list[tuple[Any, list[Any]]] = [
                ("one two three", ["one two three"]),
                ([3, 1, 4], [[3, 1, 4]]),
                ([[3, 1], [4]], [[3, 1], [4]]),
            ]
            for given, inputs in asked:
                reply = await client.embeddings.create(model="openai-chat/m", input=given)
                assert [one.embedding for one in reply.data] == [vector(one) for one in inputs]
                assert reply.usage.prompt_tokens == 3
            for upstream in ("gemini", "ollama"):
                with pytest.raises(openai.BadRequestError) as refused:
                    await client.embeddings.create(model=f"{upstream}/m", input=[[3, 1], [4]])
                assert refused.value.param == "input"
                assert "tokens of another vocabulary" in refused.value.message
        assert served.refused() == []


def test_the_sdk_that_does_not_wait(tmp_path: Path) -> None:
    """One client at a time, each of them in a thread of its own."""
    import asyncio

    def ask(url: str) -> Vectors:
        with openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client:
            reply = client.embeddings.create(model="echo-embedding", input=TEXTS, dimensions=8)
        return [one.embedding for one in reply.data]

    async def asked() -> Vectors:
        async with running(tmp_path, ECHO) as gateway:
            return await asyncio.to_thread(ask, gateway.url)

    found = asyncio.run(asked())
    assert [len(one) for one in found] == [8, 8, 8]
    assert [round(sum(value * value for value in one), 5) for one in found] == [1, 1, 1]


async def test_one_text_by_the_older_ways(tmp_path: Path) -> None:
    async with labs(tmp_path) as served:
        client = served.gateway.client
        for upstream in UPSTREAMS:
            sdk: Any = ollama.AsyncClient(host=served.gateway.url)
            async with sdk as older:
                reply = await older.embeddings(model=f"{upstream}/m", prompt="two words")
            assert list(reply.embedding) == vector("two words")
            for version in ("v1", "v1beta"):
                told = await client.post(
                    f"/{version}/models/{upstream}/m:embedContent",
                    json={"content": {"parts": [{"text": "two"}, {"text": "words"}]}},
                )
                assert told.json()["embedding"] == {"values": vector("two\nwords")}
        assert served.refused() == []


async def test_more_than_a_provider_takes_at_once_is_asked_in_parts(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(205)]
    async with labs(tmp_path) as served:
        for ask in (by_openai, by_ollama):
            found = await ask(served.gateway.url, "gemini/m", texts, None)
            assert found == [vector(text) for text in texts]
        assert served.refused() == []
        rows = records(served.gateway)
    assert [(one.input_uncached, len(one.attempts)) for one in rows] == [(410, 1), (410, 1)]


async def test_a_part_that_fails_fails_the_attempt(tmp_path: Path) -> None:
    """The parts before were paid for, but nobody has the whole: the next target is asked."""
    seen: list[int] = []

    def third(request: Any) -> Any:
        texts = request.json()["requests"]
        seen.append(len(texts))
        if len(seen) == 3:
            error = {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}
            return [answer(503, {"error": error})]
        return [answer(200, {"embeddings": [{"values": [1.0]}] * len(texts)})]

    async with scripted_upstream(third) as one, provider("openai-chat") as other:
        text = "version: 1\nproviders:\n" + lab("gemini", one.url, "first")
        text += lab("openai-chat", other.url, "second")
        text += (
            "combos: {any: {targets: [first/m, second/m]}}\nresilience: {retry: {attempts: 1}}\n"
        )
        async with running(tmp_path, text) as gateway:
            texts = [f"text {number}" for number in range(250)]
            found = await by_openai(gateway.url, "any", texts, None)
            assert found == [vector(text) for text in texts]
            (row,) = records(gateway)
    assert seen == [100, 100, 50]
    assert [(one.provider, one.status) for one in row.attempts] == [("first", 503), ("second", 200)]


async def test_a_model_may_take_fewer_than_its_format_bears(tmp_path: Path) -> None:
    sizes: list[int] = []

    def vectors(request: Any) -> Any:
        texts = request.json()["input"]
        sizes.append(len(texts))
        return [answer(200, {"data": [{"embedding": [1.0]}] * len(texts)})]

    async with scripted_upstream(vectors) as one:
        text = "version: 1\nproviders:\n" + lab("openai-chat", one.url, "lab")
        text = text.replace("{kind: embedding,", "{kind: embedding, max_inputs: 2,")
        async with running(tmp_path, text) as gateway:
            found = await by_openai_in_numbers(gateway.url, "lab/m", ["a", "b", "c", "d"], None)
            (row,) = records(gateway)
    assert (found, sizes) == ([[1.0]] * 4, [2, 2])
    assert row.usage_estimated


def test_as_many_tokens_as_openai_takes_are_no_body_too_large() -> None:
    check_size(orjson.dumps({"model": "m", "input": [[7] * 146] * 2048}), RequestLimits())


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("/v1/embeddings", {"input": []}, "input"),
    ("/v1/embeddings", {}, "input"),
    ("/v1/embeddings", {"input": ["a", {}]}, "input[1]"),
    ("/v1/embeddings", {"input": "a", "dimensions": 0}, "dimensions"),
    ("/v1/embeddings", {"input": "a", "encoding_format": "int8"}, "encoding_format"),
    ("/api/embed", {"input": [5]}, "input[0]"),
    ("/v1beta/models/m:embedContent", {}, "nothing to embed"),
    ("/v1beta/models/m:embedContent", {"content": {"parts": []}}, "content.parts"),
    ("/v1beta/models/m:batchEmbedContents", {"requests": [{}]}, "requests[0].content"),
]


async def test_what_is_wrong_is_refused_by_name(echo: Gateway) -> None:
    for path, body, field in WRONG:
        asked = path.replace("/m:", "/echo-embedding:")
        reply = await echo.client.post(asked, json={"model": "echo-embedding", **body})
        assert (reply.status_code, field in reply.text) == (400, True), reply.text


@pytest.fixture
async def echo(tmp_path: Path) -> AsyncGenerator[Gateway]:
    more = "  claude: {preset: anthropic, connections: {main: {api_key: '${env:LAB_KEY:-x}'}}}\n"
    async with running(tmp_path, ECHO + more) as gateway:
        yield gateway


async def test_who_has_no_vectors_says_so(echo: Gateway) -> None:
    for model, words in (
        ("claude/new", "the format anthropic has no embeddings"),
        ("echo", "what echo has for this is echo-embedding"),
    ):
        reply = await echo.client.post("/v1/embeddings", json={"model": model, "input": "a"})
        assert reply.status_code in (400, 404)
        assert words in reply.json()["error"]["message"]


async def test_embedding_models_are_listed(echo: Gateway) -> None:
    reply = await echo.client.get("/v1/embeddings")
    assert [one["id"] for one in reply.json()["data"]] == ["echo/echo-embedding"]
    headers = {"x-goog-api-key": "x"}
    reply = await echo.client.get("/v1beta/models/echo/echo-embedding", headers=headers)
    assert reply.json()["supportedGenerationMethods"] == ["embedContent", "batchEmbedContents"]
    reply = await echo.client.post("/api/show", json={"model": "echo/echo-embedding"})
    assert reply.json()["capabilities"] == ["embedding"]


async def test_a_path_is_bound_to_its_provider(echo: Gateway) -> None:
    ask = {"model": "echo-embedding", "input": "a"}
    reply = await echo.client.post("/v1/providers/echo/embeddings", json=ask)
    assert (reply.status_code, reply.headers["x-omniroute-model"]) == (200, "echo/echo-embedding")
    reply = await echo.client.post("/v1/providers/claude/embeddings", json=ask)
    assert reply.status_code == 400


async def test_settings_of_chats_say_nothing_here(tmp_path: Path) -> None:
    more = """
settings:
  system_prompt: {enabled: true, text: Be brief.}
  thinking_budget: {mode: custom}
policies:
  - id: small
    when: "request.kind == 'embedding'"
    action: set
    values: {dimensions: 3, max_tokens: 5}
"""
    async with running(tmp_path, ECHO + more) as gateway:
        ask = {"model": "echo-embedding", "input": "a"}
        reply = await gateway.client.post("/v1/embeddings", json=ask)
    assert len(reply.json()["data"][0]["embedding"]) == 3
    assert reply.headers["x-omniroute-dropped"] == "output.max_tokens"


async def test_the_same_question_is_answered_from_the_cache(tmp_path: Path) -> None:
    async with running(tmp_path, ECHO + "cache: {exact: {enabled: true}}\n") as gateway:
        ask = {"model": "echo-embedding", "input": ["a", "b"]}
        first = await gateway.client.post("/v1/embeddings", json=ask)
        second = await gateway.client.post("/v1/embeddings", json=ask)
    assert (first.headers["x-omniroute-cache"], second.headers["x-omniroute-cache"]) == (
        "MISS",
        "HIT",
    )
    assert first.content == second.content
