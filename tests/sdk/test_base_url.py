"""Official SDKs with a wrong base URL: what they raise tells the right one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anthropic
import httpx
import ollama
import openai
import pytest
from google import genai
from google.genai import errors, types

from tests.running import running

TURNS: Any = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    "wrong", ["", "/", "/v1/v1", "/api/v1", "/v1/chat/completions", "/openai/v1", "/v1beta/openai"]
)
async def test_openai(tmp_path: Path, wrong: str) -> None:
    async with running(tmp_path) as gateway:
        client = openai.AsyncOpenAI(base_url=gateway.url + wrong, api_key="x", max_retries=0)
        async with client:
            calls: list[Any] = [
                client.chat.completions.create(model="echo", messages=TURNS),
                client.responses.create(model="echo", input="hi"),
                client.embeddings.create(model="echo", input="hi"),
                client.models.retrieve("echo"),
            ]
            for call in calls:
                with pytest.raises(openai.NotFoundError) as raised:
                    await call
                assert raised.value.message.endswith(f" is {gateway.url}/v1")
                assert raised.value.code == "unknown_path"


async def test_azure(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        client = openai.AsyncAzureOpenAI(
            azure_endpoint=gateway.url, api_version="2025-01-01", api_key="x", max_retries=0
        )
        async with client:
            with pytest.raises(openai.NotFoundError) as raised:
                await client.chat.completions.create(model="echo", messages=TURNS)
            assert raised.value.message.endswith(f" is {gateway.url}/v1")


@pytest.mark.parametrize("wrong", ["/v1", "/v1/messages", "/anthropic", "/v1/v1"])
async def test_anthropic(tmp_path: Path, wrong: str) -> None:
    async with running(tmp_path) as gateway:
        client = anthropic.AsyncAnthropic(base_url=gateway.url + wrong, api_key="x", max_retries=0)
        async with client:
            calls: list[Any] = [
                client.messages.create(model="echo", max_tokens=9, messages=TURNS),
                client.messages.count_tokens(model="echo", messages=TURNS),
                client.models.retrieve("echo"),
            ]
            for call in calls:
                with pytest.raises(anthropic.NotFoundError) as raised:
                    await call
                assert f" is {gateway.url}'" in raised.value.message
                assert raised.value.type == "not_found_error"


@pytest.mark.parametrize(
    ("wrong", "version"),
    [("/v1beta", None), ("", ""), ("/v1", None), ("/gemini", "v1beta"), ("/v1beta/models", None)],
)
async def test_gemini(tmp_path: Path, wrong: str, version: str | None) -> None:
    async with running(tmp_path) as gateway, httpx.AsyncClient() as http:
        options = types.HttpOptions(
            base_url=gateway.url + wrong, api_version=version, httpx_async_client=http
        )
        client = genai.Client(api_key="x", http_options=options)
        models: Any = client.aio.models
        try:
            calls: list[Any] = [
                models.generate_content(model="echo", contents="hi"),
                models.count_tokens(model="echo", contents="hi"),
                models.get(model="echo"),
            ]
            for call in calls:
                with pytest.raises(errors.ClientError) as raised:
                    await call
                assert raised.value.code == 404
                assert str(raised.value.message).endswith(f" is {gateway.url}")
                assert raised.value.status == "NOT_FOUND"
        finally:
            client.close()


@pytest.mark.parametrize("wrong", ["/v1", "/api", "/ollama"])
async def test_ollama(tmp_path: Path, wrong: str) -> None:
    async with running(tmp_path) as gateway:
        client: Any = ollama.AsyncClient(gateway.url + wrong)
        async with client:
            calls: list[Any] = [client.generate("echo", "hi"), client.list(), client.show("echo")]
            for call in calls:
                with pytest.raises(ollama.ResponseError) as raised:
                    await call
                assert raised.value.status_code == 404
                assert raised.value.error.endswith(f" is {gateway.url}")
