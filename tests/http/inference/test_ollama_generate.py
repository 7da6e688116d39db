"""One prompt to `/api/generate`, through Ollama's own SDK, answered by a provider of chats."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import ollama
import pytest
import pytest_asyncio

from tests import running as gateway
from tests.sdk.told import PNG
from tests.upstreams import server
from tests.upstreams.server import Upstream

CONFIG = """
version: 1
providers:
  up: {{format: openai-chat, base_url: "{url}", allow_private_network: true,
       connections: {{main: {{api_key: "${{env:HOME}}"}}}}}}
"""
HELLO = "Hello from afar: é€😀."


@pytest_asyncio.fixture
async def provider() -> AsyncGenerator[Upstream]:
    async with server.running("openai-chat") as upstream:
        yield upstream


@pytest_asyncio.fixture
async def client(provider: Upstream, tmp_path: Path) -> AsyncGenerator[Any]:
    async with gateway.running(tmp_path, CONFIG.format(url=provider.url)) as served:
        talker: Any = ollama.AsyncClient(served.url, headers={"Authorization": "Bearer test-key"})
        async with talker:
            yield talker


@pytest.mark.asyncio
async def test_whole(client: Any, provider: Upstream) -> None:
    answer = await client.generate(
        "up/image", prompt="Hi", system="Be brief.", images=[PNG], options={"num_predict": 9}
    )
    assert (answer.response, answer.done, answer.done_reason) == ("I see a pixel.", True, "stop")
    assert (answer.prompt_eval_count, answer.eval_count) == (20, 9)
    seen = provider.seen[-1]
    assert (seen.system, seen.max_tokens) == ("Be brief.", 9)
    assert seen.turns[0].items == (("text", "Hi"), ("image", "image/png", PNG))


@pytest.mark.asyncio
async def test_streamed(client: Any) -> None:
    pieces = [piece async for piece in await client.generate("up/text", prompt="Hi", stream=True)]
    assert "".join(piece.response for piece in pieces) == HELLO
    assert [piece.done for piece in pieces] == [False] * (len(pieces) - 1) + [True]


@pytest.mark.asyncio
async def test_what_only_a_local_model_can_do_is_refused_by_name(client: Any) -> None:
    with pytest.raises(ollama.ResponseError, match="suffix"):
        await client.generate("up/text", prompt="def f(", suffix="return 1")
    with pytest.raises(ollama.ResponseError, match="context"):
        await client.generate("up/text", prompt="Hi", context=[1, 2])


@pytest.mark.asyncio
async def test_loading_a_model_asks_nobody(client: Any, provider: Upstream) -> None:
    answer = await client.generate("up/text")
    assert (answer.model, answer.response) == ("up/text", "")
    assert (answer.done, answer.done_reason) == (True, "load")
    streamed = [piece async for piece in await client.chat("up/text", messages=[], stream=True)]
    assert [(piece.message.content, piece.done_reason) for piece in streamed] == [("", "load")]
    answer = await client.generate("up/text", keep_alive=0)
    assert answer.done_reason == "unload"
    with pytest.raises(ollama.ResponseError, match="nowhere"):
        await client.generate("nowhere/text")
    assert provider.seen == []
