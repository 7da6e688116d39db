"""Pictures: what the official SDK gets is what the provider drew, whichever format that speaks."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import openai
import orjson
import pytest
import pytest_asyncio

from tests.chat import STREAM_END, STREAM_HEAD, answer, chunked
from tests.http.inference.test_embeddings import records
from tests.running import ECHO, Gateway, running
from tests.scripted import scripted_upstream
from tests.upstreams.pictures import picture
from tests.upstreams.server import Upstream
from tests.upstreams.server import running as provider

PROMPT = "two cats"


def lab(name: str, format: str, url: str, price: str = "{input: 10, output: 20}") -> str:
    return f"""\
  {name}:
    format: {format}
    base_url: {url}
    allow_private_network: true
    connections: {{main: {{api_key: "${{env:LAB_KEY:-lab-credential}}"}}}}
    models: {{m: {{kind: image, price: {price}}}}}
"""


class Labs:
    def __init__(self, gateway: Gateway, upstreams: list[Upstream]) -> None:
        self.gateway = gateway
        self.upstreams = upstreams

    def sdk(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=f"{self.gateway.url}/v1", api_key="x", max_retries=0)


@pytest_asyncio.fixture
async def labs(tmp_path: Path) -> AsyncGenerator[Labs]:
    async with provider("openai-chat") as chat, provider("gemini") as gemini:
        text = f"{ECHO}{lab('chat', 'openai-chat', chat.url)}{lab('gemini', 'gemini', gemini.url)}"
        text += "combos: {any: {targets: [gemini/m, chat/m]}}\n"
        async with running(tmp_path, text) as gateway:
            yield Labs(gateway, [chat, gemini])
        assert [one for upstream in (chat, gemini) for one in upstream.refused] == []


async def test_the_sdk_gets_the_pictures_of_every_provider(labs: Labs) -> None:
    async with labs.sdk() as client:
        for model in ("chat/m", "gemini/m", "any"):
            found = await client.images.generate(
                model=model, prompt=PROMPT, n=2, size="1536x1024", quality="low", user="u"
            )
            assert [one.b64_json for one in found.data or []] == [picture(PROMPT)] * 2
            assert found.usage is not None
            assert (found.usage.input_tokens, found.usage.output_tokens) in ((2, 200), (4, 200))
    rows = records(labs.gateway)
    assert {(one.kind, one.status, one.output, one.usage_estimated) for one in rows} == {
        ("image", 200, 200, False)
    }
    assert [one.cost_nanousd for one in rows] == [4_020_000, 4_040_000, 4_040_000]
    assert [one.dropped for one in rows] == [(), ("quality", "user"), ("quality", "user")]


async def test_the_synchronous_sdk_at_a_provider_s_own_path(labs: Labs) -> None:
    def ask() -> list[str | None]:
        url = f"{labs.gateway.url}/v1/providers/gemini"
        with openai.OpenAI(base_url=url, api_key="x", max_retries=0) as client:
            found = client.images.generate(model="m", prompt=PROMPT, response_format="url")
        return [one.url for one in found.data or []]

    assert await asyncio.to_thread(ask) == [f"data:image/png;base64,{picture(PROMPT)}"]


async def test_links_pass(labs: Labs) -> None:
    async with labs.sdk() as client:
        found = await client.images.generate(model="chat/m", prompt="x", response_format="url")
    assert [one.url for one in found.data or []] == ["https://images.example/0.png"]


async def test_pictures_without_a_key(labs: Labs) -> None:
    async with labs.sdk() as client:
        found = await client.images.generate(model="echo-image", prompt="a cat", n=2)
        drawn = {base64.b64decode(one.b64_json or "") for one in found.data or []}
        assert len(drawn) == 2
        assert all(one.startswith(b"\x89PNG") for one in drawn)
        linked = await client.images.generate(
            model="echo-image", prompt="a cat", response_format="url"
        )
        assert (linked.data or [])[0].url in {
            f"data:image/png;base64,{one.b64_json}" for one in found.data or []
        }
        events = await client.images.generate(
            model="echo-image", prompt="a cat", stream=True, partial_images=2
        )
        kinds = [event.type async for event in events]
    partial = "image_generation.partial_image"
    assert kinds == [partial, partial, "image_generation.completed"]
    last = records(labs.gateway)[-1]
    assert (last.stream, last.input_uncached, last.output, last.cost_nanousd) == (True, 2, 1, 0)


async def test_image_models_are_listed(labs: Labs) -> None:
    reply = await labs.gateway.client.get("/v1/images/generations")
    listed = {model["id"]: model["kind"] for model in reply.json()["data"]}
    assert listed == {
        "echo/echo-image": "image",
        "chat/m": "image",
        "gemini/m": "image",
        "any": "image",
    }


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "chat/m"}, "prompt"),
        ({"model": "chat/m", "prompt": 3}, "prompt"),
        ({"model": "chat/m", "prompt": "x", "n": 0}, "n"),
        ({"model": "gemini/m", "prompt": "x", "n": 11}, "n"),
        ({"model": "gemini/m", "prompt": "x", "stream": True}, "stream"),
        ({"prompt": "x"}, "model"),
        ({"model": "echo", "prompt": "x"}, "model"),
    ],
)
async def test_refusals_name_the_field(labs: Labs, body: dict[str, Any], param: str | None) -> None:
    reply = await labs.gateway.client.post("/v1/images/generations", json=body)
    status = 404 if body.get("model") == "echo" else 400
    assert (reply.status_code, reply.json()["error"]["param"]) == (status, param)


def event(body: dict[str, Any]) -> bytes:
    return chunked(f"event: {body['type']}\n".encode() + b"data: " + orjson.dumps(body) + b"\n\n")


async def streamed(gateway: Gateway) -> list[str]:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0) as sdk:
        events = await sdk.images.generate(model="lab/m", prompt="x", stream=True, partial_images=1)
        return [one.b64_json async for one in events]


async def test_partial_pictures_pass_as_they_come(tmp_path: Path) -> None:
    partial = {"type": "image_generation.partial_image", "partial_image_index": 0}
    done = {"type": "image_generation.completed", "usage": {"input_tokens": 5, "output_tokens": 7}}
    large = "b" * (2 << 20)
    steps = [
        STREAM_HEAD,
        event({**partial, "b64_json": "a"}),
        event({**done, "b64_json": large}),
        STREAM_END,
    ]
    async with (
        scripted_upstream(steps) as upstream,
        running(
            tmp_path, "version: 1\nproviders:\n" + lab("lab", "openai-chat", upstream.url)
        ) as up,
    ):
        assert await streamed(up) == ["a", large]
        (row,) = records(up)
    assert (row.input_uncached, row.output, row.cost_nanousd) == (5, 7, 190_000)


async def test_a_stream_that_breaks_off_is_an_error_and_costs_what_is_unknown(
    tmp_path: Path,
) -> None:
    partial = {"type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": "a"}
    async with (
        scripted_upstream([STREAM_HEAD, event(partial), STREAM_END]) as upstream,
        running(
            tmp_path, "version: 1\nproviders:\n" + lab("lab", "openai-chat", upstream.url)
        ) as up,
    ):
        with pytest.raises(openai.APIError):
            await streamed(up)
        (row,) = records(up)
    assert (row.output, row.cost_nanousd, row.usage_estimated) == (None, None, False)


@pytest.mark.parametrize(
    ("price", "cost"), [("{unit: 0.04}", 80_000_000), ("{input: 1, output: 1}", None)]
)
async def test_a_price_for_each_picture(tmp_path: Path, price: str, cost: int | None) -> None:
    drawn = answer(200, {"created": 1, "data": [{"b64_json": "aaaa"}, {"b64_json": "bbbb"}]})
    async with scripted_upstream([drawn]) as upstream:
        text = "version: 1\nproviders:\n" + lab("lab", "openai-chat", upstream.url, price)
        async with running(tmp_path, text) as up:
            body = {"model": "lab/m", "prompt": "x", "n": 2}
            reply = await up.client.post("/v1/images/generations", json=body)
            (row,) = records(up)
    assert (reply.status_code, row.cost_nanousd, row.output) == (200, cost, None)


async def test_a_budget_holds_the_price_of_what_is_asked_for(tmp_path: Path) -> None:
    drawn = answer(200, {"created": 1, "data": [{"b64_json": "aaaa"}]})
    async with scripted_upstream([drawn]) as upstream:
        text = "version: 1\nproviders:\n" + lab("lab", "openai-chat", upstream.url, "{unit: 1}")
        text += "budgets: {small: {scope: global, limit: 3, period: daily}}\n"
        async with running(tmp_path, text) as up:
            statuses = [await _ask(up.client, n) for n in (4, 1)]
    assert statuses == [402, 200]


async def _ask(client: httpx.AsyncClient, n: int) -> int:
    body = {"model": "lab/m", "prompt": "x", "n": n}
    return (await client.post("/v1/images/generations", json=body)).status_code
