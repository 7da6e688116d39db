"""Configurations held in memory, and the presets that these tests know."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from omniroute.config.check import Checked, check
from omniroute.config.loader import TextReader
from omniroute.config.model import Model, Provider
from omniroute.config.preset import Preset

NOW: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
HASH_A: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
HASH_B: Final = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
FORMATS: Final = ("anthropic", "gemini", "ollama", "openai-chat", "openai-responses")
PRESETS: Final = {
    "echo": Preset(
        id="echo",
        title="Echo",
        format="openai-chat",
        base_url="echo:",
        docs="",
        needs_key=False,
        models={"echo": Model(id="echo", context_window=1000)},
    ),
    "openai": Preset(
        id="openai",
        title="OpenAI",
        format="openai-chat",
        base_url="https://api.openai.com/v1",
        docs="",
        api_key_env="OPENAI_API_KEY",
    ),
}


def priced(provider: Provider, model: Model | None) -> bool:
    """As if the catalog knew everything of these presets."""
    return provider.preset is not None or (model is not None and model.price is not None)


def check_texts(files: Mapping[str, str | bytes], *roots: str) -> Checked:
    """Check files held in memory; without `roots` the first file is the main one."""
    data = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    return check(
        roots or (next(iter(data)),),
        reader=TextReader(data),
        presets=PRESETS,
        formats=FORMATS,
        priced=priced,
        now=NOW,
    )


def check_text(text: str | bytes) -> Checked:
    return check_texts({"omniroute.yaml": text})


def found(checked: Checked) -> list[str]:
    """`line:column code` of every finding in order."""
    return [f"{item.line}:{item.column} {item.code}" for item in checked.diagnostics]
