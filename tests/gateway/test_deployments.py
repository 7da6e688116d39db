"""Azure's older API, as data of a preset: a path for each model, a version in the query, a key in a
header of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from tests.chat import COMPLETION, DONE, STREAM_END, STREAM_HEAD, USAGE_EVENT, answer, delta
from tests.running import Gateway, running
from tests.scripted import Recorded, Script, scripted_upstream

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED: list[Recorded] = []


def azure(asked: Recorded) -> Script:
    """https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference"""
    ASKED.append(asked)
    target = urlsplit(asked.target)
    start, deployment, *rest = target.path.removeprefix("/openai/").split("/")
    if asked.headers.get("api-key") != "lab-credential" or "authorization" in asked.headers:
        return [answer(401, {"error": {"code": "401", "message": "Access denied"}})]
    if parse_qs(target.query) != {"api-version": ["2024-10-21"]}:
        return [answer(404, {"error": {"code": "404", "message": "Resource not found"}})]
    if (start, deployment) != ("deployments", "eu%2Fgpt"):
        told = {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}
        return [answer(404, {"error": told})]
    body: dict[str, Any] = asked.json()
    if rest == ["embeddings"]:
        row = {"object": "embedding", "index": 0, "embedding": [0.5]}
        return [answer(200, {"object": "list", "data": [row], "usage": {"prompt_tokens": 1}})]
    if rest != ["chat", "completions"]:
        return [answer(404, {"error": {"code": "404", "message": "Resource not found"}})]
    if body.get("stream"):
        return [STREAM_HEAD, delta("Hi"), delta(finish="stop"), USAGE_EVENT, DONE, STREAM_END]
    return [answer(200, COMPLETION)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Gateway]:
    async with scripted_upstream(azure) as upstream:
        text = f"""\
version: 1
providers:
  azure:
    preset: azure-openai-deployments
    base_url: {upstream.url}/openai/deployments/{{model}}
    allow_private_network: true
    connections: {{main: {{api_key: "${{env:LAB_KEY:-lab-credential}}"}}}}
    models: {{gpt: {{upstream_id: eu/gpt}}, v: {{upstream_id: eu/gpt, kind: embedding}}}}
"""
        async with running(tmp_path_factory.mktemp("azure"), text) as found:
            yield found


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_is_a_deployment(gateway: Gateway, path: str, *, stream: bool) -> None:
    turns = [{"role": "user", "content": "hi"}]
    body = {"model": "azure/gpt", "stream": stream, "max_tokens": 9, "messages": turns}
    reply = await gateway.client.post(path, json=body)
    assert reply.status_code == 200, reply.text


async def test_vectors_are_at_their_own(gateway: Gateway) -> None:
    reply = await gateway.client.post("/v1/embeddings", json={"model": "azure/v", "input": "x"})
    assert reply.json()["data"][0]["embedding"] == [0.5]


async def test_a_deployment_that_is_not_there(gateway: Gateway) -> None:
    body = {"model": "azure/other", "messages": [{"role": "user", "content": "hi"}]}
    reply = await gateway.client.post("/v1/chat/completions", json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "DeploymentNotFound")
