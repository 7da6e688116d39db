"""The official SDKs in front of `omniroute serve` and a provider, each a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Final

import anthropic
import openai
import pytest
from anthropic.types import MessageParam
from openai.types.chat import ChatCompletionMessageParam

from tests.running import served
from tests.upstreams.scenario import HELLO

ROOT: Final = Path(__file__).parents[2]
MODELS: Final = ("openai/text", "anthropic/text")
ASKED: Final[list[ChatCompletionMessageParam]] = [{"role": "user", "content": "Hi"}]
ASKED_CLAUDE: Final[list[MessageParam]] = [{"role": "user", "content": "Hi"}]
CONFIG: Final = """
version: 1
providers:
  openai:
    format: openai-chat
    base_url: {chat}
    allow_private_network: true
    connections: {{main: {{api_key: "${{env:HOME}}"}}}}
  anthropic:
    format: anthropic
    base_url: {messages}
    allow_private_network: true
    connections: {{main: {{api_key: "${{env:HOME}}"}}}}
"""


def provider(name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.upstreams.serve", "--format", name]
    return subprocess.Popen(  # noqa: S603 - our own module
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with provider("openai-chat") as chat, provider("anthropic") as messages:
        try:
            text = CONFIG.format(chat=address_of(chat), messages=address_of(messages))
            with served(tmp_path_factory.mktemp("process"), text) as gateway:
                yield gateway.url
        finally:
            chat.terminate()
            messages.terminate()


@pytest.mark.parametrize("model", MODELS)
def test_openai(url: str, model: str) -> None:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
        whole = client.chat.completions.create(model=model, messages=ASKED)
        assert whole.choices[0].message.content == HELLO.whole
        pieces = [
            chunk.choices[0].delta.content or ""
            for chunk in client.chat.completions.create(model=model, messages=ASKED, stream=True)
            if chunk.choices
        ]
        assert "".join(pieces) == HELLO.whole


@pytest.mark.parametrize("model", MODELS)
async def test_openai_async(url: str, model: str) -> None:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
        whole = await client.chat.completions.create(model=model, messages=ASKED)
        assert whole.choices[0].message.content == HELLO.whole
        stream = await client.chat.completions.create(model=model, messages=ASKED, stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
        assert "".join(pieces) == HELLO.whole


@pytest.mark.parametrize("model", MODELS)
def test_anthropic(url: str, model: str) -> None:
    with anthropic.Anthropic(base_url=url, api_key="k", max_retries=0) as client:
        whole = client.messages.create(model=model, max_tokens=99, messages=ASKED_CLAUDE)
        assert [block.text for block in whole.content if block.type == "text"] == [HELLO.whole]
        with client.messages.stream(model=model, max_tokens=99, messages=ASKED_CLAUDE) as stream:
            assert "".join(stream.text_stream) == HELLO.whole


@pytest.mark.parametrize("model", MODELS)
async def test_anthropic_async(url: str, model: str) -> None:
    async with anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0) as client:
        whole = await client.messages.create(model=model, max_tokens=99, messages=ASKED_CLAUDE)
        assert [block.text for block in whole.content if block.type == "text"] == [HELLO.whole]
        asked = client.messages.stream(model=model, max_tokens=99, messages=ASKED_CLAUDE)
        async with asked as stream:
            pieces = [piece async for piece in stream.text_stream]
        assert "".join(pieces) == HELLO.whole
