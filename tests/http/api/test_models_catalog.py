"""/api/models/catalog: what is known of every provider's models, listed or not."""

from __future__ import annotations

from pathlib import Path

from omniroute.catalog.models import known_models
from tests.running import running

TEXT = """\
version: 1
auth: {dashboard: {require_login: false}}
providers:
  lab:
    format: openai-chat
    base_url: https://lab.example/v1
    models: {m: {context_window: 131072, capabilities: [tools], price: {input: 0.20, output: 0.60}}}
  claude: {preset: anthropic, connections: {main: {api_key: "${env:NO_SUCH_KEY_HERE}"}}}
combos: {smart: {targets: [lab/m]}}
"""


async def test_all_models_of_every_provider_with_what_is_known(tmp_path: Path) -> None:
    async with running(tmp_path, TEXT) as gateway:
        reply = await gateway.client.get("/api/models/catalog")
        listed = (await gateway.client.get("/v1/models")).json()["data"]
    assert reply.status_code == 200, reply.text
    shown = reply.json()["catalog"]
    assert list(shown) == ["combo", "lab", "claude"]
    assert shown["lab"] == {
        "provider": "lab",
        "active": True,
        "models": [
            {
                "id": "lab/m",
                "name": "m",
                "type": "chat",
                "custom": True,
                "listed": True,
                "capabilities": {"tool_calling": True},
                "context_length": 131072,
                "max_output_tokens": None,
                "price": {
                    "input": 0.2,
                    "output": 0.6,
                    "cached_input": None,
                    "cache_write": None,
                    "source": "config",
                },
            }
        ],
    }
    assert [row["id"] for row in shown["combo"]["models"]] == ["smart"]
    claude = {row["name"]: row for row in shown["claude"]["models"]}
    assert not shown["claude"]["active"]
    assert claude.keys() == known_models("anthropic").keys() | {
        row["name"] for row in claude.values() if row["listed"]
    }
    assert claude["claude-opus-4-7"]["price"]["source"] != "config"
    assert not claude["claude-opus-4-7"]["custom"]
    assert {row["id"] for row in listed} == {"smart", "lab/m"}
