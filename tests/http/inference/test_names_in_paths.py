"""Names of models and paths never make another path of a provider's: they are refused before."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from tests.chat import ASK, COMPLETION, answer
from tests.http.edge.test_edge import raw_status
from tests.running import running
from tests.scripted import scripted_upstream

SAID = {"contents": [{"parts": [{"text": "hi"}]}]}
NEVER = (
    *("..", "../x", "a/../x", "a/./x", "a/%2e%2e/x", "..%2fx", "%252e%252e/x", "a\\..\\x", "a/.."),
    *("a\r\nHost: x", "a\x00b", "a\x7f"),
)
"""What no model is called."""
NOT_IN_A_PATH = ("a?x=1", "a#x", "a%41", "a\\b")


def lab(format: str, url: str) -> str:
    return f"""
version: 1
providers:
  lab:
    format: {format}
    base_url: {url}
    allow_private_network: true
    connections: {{main: {{api_key: "${{env:LAB_KEY:-lab-credential}}"}}}}
"""


@pytest.mark.parametrize("format", ["openai-chat", "gemini"])
async def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, format: str) -> None:
    async with (
        scripted_upstream([answer(200, COMPLETION)]) as upstream,
        running(tmp_path, lab(format, upstream.url)) as gateway,
    ):
        for name in NEVER + (NOT_IN_A_PATH if format == "gemini" else ()):
            model = f"lab/{name}"
            reply = await gateway.client.post("/v1/chat/completions", json={**ASK, "model": model})
            assert (reply.status_code, reply.json()["error"]["param"]) == (400, "model"), name
            for action in ("generateContent", "streamGenerateContent"):
                path = f"/v1beta/models/{quote(model, safe='')}:{action}"
                reply = await gateway.client.post(path, json=SAID)
                assert reply.status_code == 400, (path, reply.text)
                assert reply.json()["error"]["status"] == "INVALID_ARGUMENT"
            # Counting tells an estimate where the provider is not asked.
            await gateway.client.post(
                f"/v1beta/models/{quote(model, safe='')}:countTokens", json=SAID
            )
        assert upstream.requests == []


async def test_where_names_stay_in_bodies_they_may_hold_more(tmp_path: Path) -> None:
    async with (
        scripted_upstream([answer(200, COMPLETION)]) as upstream,
        running(tmp_path, lab("openai-chat", upstream.url)) as gateway,
    ):
        for name in NOT_IN_A_PATH:
            asked = {**ASK, "model": f"lab/{name}"}
            reply = await gateway.client.post("/v1/chat/completions", json=asked)
            assert reply.status_code == 200, reply.text
        assert [one.json()["model"] for one in upstream.requests] == list(NOT_IN_A_PATH)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../api/config",
        "/v1/%2e%2e/api/config",
        "/v1/models/..%2f..%2fapi/config",
        "/v1/providers/../chat/completions",
        "/v1/providers/%2E%2E/chat/completions",
        "/v1beta/models/..:generateContent",
        "/v1/./chat/completions",
        "/nothing/..",
        "/v1/responses/..%5C..",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_a_path_with_dot_segments_is_refused(tmp_path: Path, method: str, path: str) -> None:
    async with running(tmp_path) as gateway:
        assert await raw_status(gateway, method, path) == 400
