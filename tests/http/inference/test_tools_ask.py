"""What coding tools ask before they begin: whether somebody is there, what it is, what it can."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from tests.running import Gateway, running

CONFIG = """
version: 1
providers:
  echo:
    preset: echo
    models:
      plain: {capabilities: []}
      able: {capabilities: [tools, vision, reasoning, json_schema]}
auth: {require_api_key: false}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Gateway]:
    async with running(tmp_path_factory.mktemp("gateway"), CONFIG) as found:
        yield found


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("path", ["/", "/api/hello"])
async def test_somebody_is_there(gateway: Gateway, path: str) -> None:
    head = await gateway.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert (await gateway.client.get(path)).json()["name"] == "OmniRoute"


async def test_copilot_takes_it_for_an_ollama_that_is_new_enough(gateway: Gateway) -> None:
    version = (await gateway.client.get("/api/version")).json()["version"]
    assert tuple(map(int, version.split("."))) >= (0, 6, 4)


@pytest.mark.parametrize(
    ("model", "can"),
    [
        ("echo/echo", ["completion", "tools", "vision"]),  # nobody said what it lacks
        ("echo/plain", ["completion"]),
        ("echo/able:latest", ["completion", "tools", "vision", "thinking"]),
    ],
)
async def test_what_a_model_can_do_in_ollamas_words(
    gateway: Gateway, model: str, can: list[str]
) -> None:
    shown = await gateway.client.post("/api/show", json={"model": model})
    assert (shown.status_code, shown.json()["capabilities"]) == (200, can)
