"""Real coding tools, each answered by a provider of another format with a tool call in the loop.

Not in the default run, as they come from npm: `pytest -m tools tests/tools`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.conftest import DEADLINE_S, Desk, gateway
from tests.tools.install import DEADLINE_S as INSTALL_S
from tests.tools.loop import Loop
from tests.tools.told import CODEX_PATCHES, TOOLS
from tests.upstreams import server

# The first one may have to install them, within its own bounds.
pytestmark = [pytest.mark.tools, pytest.mark.timeout(INSTALL_S + DEADLINE_S + 60)]

PROVIDER = """
version: 1
providers:
  lab:
    format: {format}
    base_url: {url}
    allow_private_network: true
    connections: {{main: {{api_key: "${{env:HOME}}"}}}}
aliases: {{"*": lab/some-model}}
"""
ECHO = """
version: 1
providers:
  echo: {preset: echo}
aliases: {"*": echo/echo}
"""


@pytest.mark.parametrize(
    ("name", "upstream"),
    [
        pytest.param("claude-code", "openai-chat", id="claude-code-to-openai-chat"),
        pytest.param("claude-code", "gemini", id="claude-code-to-gemini"),
        pytest.param("codex", "anthropic", id="codex-to-anthropic"),
        pytest.param("codex", "openai-chat", id="codex-to-openai-chat"),
        pytest.param("gemini-cli", "openai-chat", id="gemini-cli-to-openai-chat"),
        pytest.param("gemini-cli", "anthropic", id="gemini-cli-to-anthropic"),
        pytest.param("opencode", "anthropic", id="opencode-to-anthropic"),
        pytest.param("opencode", "gemini", id="opencode-to-gemini"),
    ],
)
async def test_a_tool_reads_a_file_for_a_model_of_another_format(
    tmp_path: Path, desk: Desk, name: str, upstream: str
) -> None:
    tool = TOOLS[name]
    model = Loop(tool.call, tool.arguments(desk.project))
    async with (
        server.running(upstream, decide=model.decide) as provider,
        gateway(tmp_path, PROVIDER.format(format=upstream, url=provider.url)) as url,
    ):
        printed = await desk.run(tool, url)
    assert provider.refused == []
    said = printed.partition("The tool said: ")[2]
    assert desk.word in said, printed
    assert any(seen.has_results for seen in provider.seen)


async def test_codex_applies_a_patch_that_is_text_and_no_json(tmp_path: Path, desk: Desk) -> None:
    model = Loop(CODEX_PATCHES.call, CODEX_PATCHES.arguments(desk.project))
    async with (
        server.running("anthropic", decide=model.decide) as provider,
        gateway(tmp_path, PROVIDER.format(format="anthropic", url=provider.url)) as url,
    ):
        await desk.run(CODEX_PATCHES, url)
    assert provider.refused == []
    assert (desk.project / "new.txt").read_text() == "hello\n"


@pytest.mark.parametrize("name", TOOLS)
async def test_a_tool_talks_to_the_echo(tmp_path: Path, desk: Desk, name: str) -> None:
    async with gateway(tmp_path, ECHO) as url:
        assert await desk.run(TOOLS[name], url)
