"""Documents in order, and texts judged: each client's shape, of each provider's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_asyncio

from tests.chat import answer
from tests.http.inference.test_embeddings import records
from tests.running import ECHO, Gateway, running
from tests.scripted import Recorded, Script, scripted_upstream
from tests.upstreams.rerank import cohere, jina, voyage

ASK: dict[str, Any] = {"query": "cats", "documents": ["a dog", {"text": "two red cats"}]}
FOUND = [{"index": 1, "relevance_score": 0.12}, {"index": 0, "relevance_score": 0.05}]


def moderator(asked: Recorded) -> Script:
    body = asked.json()
    if asked.target != "/v1/moderations" or body.keys() - {"model", "input"}:
        return [answer(400, {"error": {"message": "no"}})]
    count = len(body["input"]) if isinstance(body["input"], list) else 1
    verdict: dict[str, Any] = {"flagged": True, "categories": {}, "category_scores": {}}
    verdict |= {"category_applied_input_types": {}}
    return [answer(200, {"id": "modr-1", "model": body["model"], "results": [verdict] * count})]


def lab(name: str, format: str, url: str, model: str) -> str:
    return f"""\
  {name}:
    format: {format}
    base_url: {url}
    allow_private_network: true
    connections: {{main: {{api_key: "${{env:LAB_KEY:-lab-credential}}"}}}}
    models: {{{model}}}
"""


@pytest_asyncio.fixture
async def gateway(tmp_path: Path) -> AsyncGenerator[Gateway]:
    async with AsyncExitStack() as stack:
        upstreams = [
            await stack.enter_async_context(scripted_upstream(script))
            for script in (cohere, voyage, jina, moderator)
        ]
        first, second, third, fourth = (one.url for one in upstreams)
        text = ECHO
        text += lab("cohere", "cohere-rerank", first, "m: {kind: rerank, price: {unit: 0.002}}")
        text += lab("voyage", "voyage", f"{second}/v1", "m: {kind: rerank, price: {input: 0.05}}")
        text += lab("jina", "openai-chat", f"{third}/v1", "m: {kind: rerank}")
        judge = '"omni-moderation-latest": {kind: moderation, price: {input: 0, output: 0}}'
        text += lab("judge", "openai-chat", f"{fourth}/v1", judge)
        text += "combos: {any: {targets: [jina/m, voyage/m, cohere/m]}}\n"
        text += "aliases: {omni-moderation-latest: judge/omni-moderation-latest}\n"
        yield await stack.enter_async_context(running(tmp_path, text))


async def ask(gateway: Gateway, path: str = "/v1/rerank", **body: Any) -> dict[str, Any]:
    reply = await gateway.client.post(path, json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_documents_are_ordered_by_every_provider(gateway: Gateway) -> None:
    for model in ("cohere/m", "voyage/m"):
        found = await ask(gateway, model=model, **ASK, top_n=2)
        assert found["results"] == FOUND
        told = await ask(gateway, model=model, **ASK, top_n=1, return_documents=True)
        assert told["results"] == [{**FOUND[0], "document": {"text": "two red cats"}}]
    found = await ask(gateway, model="any", query="cats", documents=["a dog", "two red cats"])
    assert found["results"] == FOUND
    rows = records(gateway)
    assert [(one.kind, one.input_uncached, one.cost_nanousd) for one in rows] == [
        ("rerank", None, 2_000_000),
        ("rerank", None, 2_000_000),
        ("rerank", 20, 1000),
        ("rerank", 20, 1000),
        ("rerank", 20, None),
    ]


async def test_clients_of_voyage_get_its_shape(gateway: Gateway) -> None:
    for model in ("cohere/m", "voyage/m"):
        found = await ask(gateway, model=model, **ASK, top_k=None, truncation=True)
        assert (found["object"], found["data"]) == ("list", FOUND)
        assert found["usage"]["total_tokens"] in (0, 20)


async def test_what_is_no_request_is_named(gateway: Gateway) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"query": "x"}, "documents"),
        ({"documents": ["x"]}, "query"),
        ({**ASK, "documents": []}, "documents"),
        ({**ASK, "top_n": 0}, "top_n"),
    ]
    for body, param in cases:
        reply = await gateway.client.post("/v1/rerank", json={"model": "voyage/m", **body})
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


async def test_the_sdk_has_texts_judged(gateway: Gateway) -> None:
    async with openai.AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key="x", max_retries=0
    ) as client:
        found = await client.moderations.create(input=["a", "b"])
        assert [one.flagged for one in found.results] == [True, True]
        echoed = await client.moderations.create(model="echo-moderation", input="some violence")
        assert [one.categories.violence for one in echoed.results] == [True]
    rows = records(gateway)
    assert [(one.kind, one.requested_model, one.cost_nanousd) for one in rows] == [
        ("moderation", "omni-moderation-latest", 0),
        ("moderation", "echo-moderation", 0),
    ]


async def test_documents_without_a_key(gateway: Gateway) -> None:
    found = await ask(gateway, model="echo-rerank", **ASK, return_documents=True)
    assert [one["index"] for one in found["results"]] == [1, 0]


@pytest.mark.parametrize("stream", [False, True])
async def test_one_prompt_is_completed_by_a_model_that_chats(
    gateway: Gateway, *, stream: bool
) -> None:
    def complete() -> str:
        url = f"{gateway.url}/v1"
        with openai.OpenAI(base_url=url, api_key="x", max_retries=0) as client:
            if not stream:
                done = client.completions.create(model="echo", prompt="say hi to me")
                assert done.usage is not None
                return done.choices[0].text
            pieces = client.completions.create(model="echo", prompt="say hi to me", stream=True)
            return "".join(piece.choices[0].text for piece in pieces)

    assert await asyncio.to_thread(complete) == "say hi to me"
    (row,) = records(gateway)
    assert (row.kind, row.stream, row.client_format) == ("chat", stream, "openai-completions")
