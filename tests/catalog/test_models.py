from __future__ import annotations

import pytest

from omniroute.catalog.models import ModelFacts, facts_for, known_models
from omniroute.catalog.presets import catalog_name, load_presets
from omniroute.config.model import Provider


def test_facts_of_a_model() -> None:
    assert facts_for("openai", "gpt-4o") == ModelFacts(
        context_window=128000,
        max_output_tokens=16384,
        capabilities=("tools", "vision", "json_schema"),
    )
    assert facts_for("openai", "text-embedding-3-small") == ModelFacts(
        kind="embedding", context_window=8192
    )


def test_what_nobody_said_is_unknown() -> None:
    assert facts_for("openai", "gpt-99-imaginary") is None
    assert known_models("no-such-provider") == {}


def test_a_presets_models_come_with_their_facts() -> None:
    model = load_presets()["anthropic"].models["claude-opus-4-6"]
    assert (model.context_window, model.max_output_tokens) == (1_000_000, 128_000)
    assert model.capabilities == ("tools", "vision", "json_schema", "reasoning")
    assert load_presets()["openai-responses"].models == load_presets()["openai"].models


@pytest.mark.parametrize(
    ("preset", "base_url", "name"),
    [
        pytest.param("gemini", "https://generativelanguage.googleapis.com", "google", id="preset"),
        pytest.param(None, "https://api.mistral.ai/v1", "mistral", id="by its URL"),
        pytest.param(
            "openai", "http://127.0.0.1:9000/v1", "openai", id="behind a proxy of one's own"
        ),
        pytest.param("vllm", "http://127.0.0.1:8000/v1", "vllm", id="local"),
        pytest.param(None, "http://10.1.2.3:8000/v1", None, id="unknown server"),
    ],
)
def test_a_providers_name_in_the_catalog(
    preset: str | None, base_url: str, name: str | None
) -> None:
    provider = Provider(id="p", format="openai-chat", base_url=base_url, preset=preset)
    assert catalog_name(provider) == name
