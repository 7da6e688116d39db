"""`/v1/providers/[provider]/…`: the path says where a request goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.running import running

CONFIG = """
version: 1
providers:
  echo: {preset: echo}
  other: {preset: echo}
aliases: {nick: other/echo}
"""


@pytest.mark.parametrize(
    ("provider", "model", "status"),
    [
        pytest.param("echo", "echo", 200, id="without prefix"),
        pytest.param("echo", "echo/echo", 200, id="with prefix"),
        pytest.param("echo", "other/echo", 400, id="another provider's model"),
        pytest.param("nope", "echo", 404, id="unknown provider"),
    ],
)
async def test_a_path_is_bound_to_its_provider(
    tmp_path: Path, provider: str, model: str, status: int
) -> None:
    async with running(tmp_path, CONFIG) as gateway:
        reply = await gateway.client.post(
            f"/v1/providers/{provider}/chat/completions",
            json={"model": model, "messages": [{"role": "user", "content": "hi"}]},
        )
        assert reply.status_code == status, reply.text
        if status == 200:
            assert reply.headers["x-omniroute-model"] == "echo/echo"
        else:
            assert reply.json()["error"]["type"] == "invalid_request_error"
