"""Real coding tools, each answered by a provider of another format with a tool call in the loop.

Not in the default run, as they come from npm: `pytest -m tools tests/tools`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.conftest import DEADLINE_S, Desk, gateway
from tests.tools.install import DEADLINE_S as INSTALL_S
from tests.tools.loop import Loop
from tests.tools.told import CODEX_AS_IT_IS, CODEX_PATCHES, TOOLS
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
STRICTER = {("claude-code", "anthropic"), ("codex", "openai-responses")}
"""There the request passes as it came, and the test server holds to the SDK's types: those without
betas, while Claude Code sends `context_management` and an `output_config` within messages; and it
refuses the `id` of the first item that Codex sends."""
ECHO = """
version: 1
providers:
  echo: {preset: echo}
aliases: {"*": echo/echo}
"""


@pytest.mark.parametrize(
    ("name", "upstream"),
    [
        pytest.param(name, upstream, id=f"{name}-to-{upstream}")
        for name in TOOLS
        for upstream in server.DIALECTS
        if (name, upstream) not in STRICTER
    ],
)
async def test_a_tool_reads_a_file_for_a_model_of_every_format(
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


@pytest.mark.parametrize("upstream", [name for name in server.DIALECTS if "responses" not in name])
async def test_codex_as_it_is_reads_a_file(tmp_path: Path, desk: Desk, upstream: str) -> None:
    tool = CODEX_AS_IT_IS
    model = Loop(tool.call, tool.arguments(desk.project))
    async with (
        server.running(upstream, decide=model.decide) as provider,
        gateway(tmp_path, PROVIDER.format(format=upstream, url=provider.url)) as url,
    ):
        printed = await desk.run(tool, url)
    assert provider.refused == []
    assert desk.word in printed.partition("The tool said: ")[2], printed
    assert "WebSocket" not in printed  # which opens at the first try


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
