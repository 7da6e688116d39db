"""Servers that know no `stream_options`: asked once more without, and of those alone."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.chat import DONE, STREAM_END, STREAM_HEAD, answer, delta
from tests.running import Gateway, running
from tests.scripted import Recorded, Script, ScriptedUpstream, scripted_upstream

pytestmark = pytest.mark.asyncio(loop_scope="module")
STREAM = [STREAM_HEAD, delta("Hello"), delta(finish="stop"), DONE, STREAM_END]


def strict(request: Recorded) -> Script:
    """Refuses it, and what is called `never` whatever comes."""
    body = request.json()
    if "stream_options" in body:
        words = {"message": "Unknown parameter: 'stream_options'.", "type": "invalid_request_error"}
        return [answer(400, {"error": words})]
    if body["model"] == "never":
        return [answer(400, {"error": {"message": "stream_options or not: no"}})]
    return STREAM


def config(url: str, names: Sequence[str]) -> str:
    provider = "{{format: openai-chat, base_url: {url}/v1, allow_private_network: true{more}}}"
    more = {"told": ", omit: [stream_options, store]"}
    lines = [f"  {name}: {provider.format(url=url, more=more.get(name, ''))}" for name in names]
    return "\n".join(["version: 1", "providers:", *lines, ""])


class Lab:
    def __init__(self, gateway: Gateway, upstream: ScriptedUpstream) -> None:
        self._gateway = gateway
        self._upstream = upstream

    async def ask(
        self, model: str, path: str = "/v1/chat/completions", **more: Any
    ) -> tuple[httpx.Response, list[dict[str, Any]]]:
        """The answer, and what the server got for it."""
        before = len(self._upstream.requests)
        turns = [{"role": "user", "content": "hi"}]
        body = {"model": model, "stream": True, "max_tokens": 9, "messages": turns, **more}
        reply = await self._gateway.client.post(path, json=body)
        return reply, [json.loads(sent.body) for sent in self._upstream.requests[before:]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Lab]:
    async with scripted_upstream(strict) as upstream:
        text = config(upstream.url, ["chat", "messages", "theirs", "stubborn", "told"])
        async with running(tmp_path_factory.mktemp("unasked"), text) as gateway:
            yield Lab(gateway, upstream)


@pytest.mark.parametrize("name", ["chat", "messages"])
async def test_once_more_without_it_and_remembered(lab: Lab, name: str) -> None:
    path = {"chat": "/v1/chat/completions", "messages": "/v1/messages"}[name]
    reply, sent = await lab.ask(f"{name}/m", path)
    assert reply.status_code == 200, reply.text
    assert "Hello" in reply.text
    assert ["stream_options" in body for body in sent] == [True, False]
    assert "X-OmniRoute-Dropped" not in reply.headers
    reply, sent = await lab.ask(f"{name}/other", path)
    assert (reply.status_code, ["stream_options" in body for body in sent]) == (200, [False])


async def test_a_client_hears_what_it_asked_for_itself(lab: Lab) -> None:
    reply, sent = await lab.ask("theirs/m", stream_options={"include_usage": True})
    assert (reply.status_code, len(sent)) == (400, 1)
    assert "stream_options" in reply.json()["error"]["message"]


async def test_never_a_third_time(lab: Lab) -> None:
    reply, sent = await lab.ask("stubborn/never")
    assert (reply.status_code, len(sent)) == (400, 2)
    reply, sent = await lab.ask("stubborn/never", stream=False)
    assert (reply.status_code, len(sent)) == (400, 1)


async def test_a_server_is_spared_what_its_operator_lists(lab: Lab) -> None:
    reply, sent = await lab.ask("told/m", store=True)
    assert reply.status_code == 200
    assert [body.keys() & {"stream_options", "store"} for body in sent] == [set()]
    assert reply.headers["X-OmniRoute-Dropped"] == "store"
    reply, sent = await lab.ask("told/m", "/v1/messages")
    assert (reply.status_code, ["stream_options" in body for body in sent]) == (200, [False])
    assert "X-OmniRoute-Dropped" not in reply.headers
