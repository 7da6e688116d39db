from __future__ import annotations

import pytest

from omniroute.catalog.models import ModelFacts, facts_for, known_models
from omniroute.catalog.presets import catalog_name, load_presets
from tests.catalog.providers import provider_at

KNOWN = ("tools", "vision", "json_schema", "reasoning")
TRAITS = {"adaptive_thinking", "fixed_sampling", "no_prefill"}


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
    assert model.capabilities == (*KNOWN, "adaptive_thinking", "no_prefill")
    chats = {id_: one for id_, one in load_presets()["openai"].models.items() if one.kind == "chat"}
    assert load_presets()["openai-responses"].models == chats


def test_what_a_preset_does_not_list_is_known_too() -> None:
    preset = load_presets()["anthropic"]
    model = preset.unlisted["claude-opus-4-7-20260416"]
    assert "adaptive_thinking" in (model.capabilities or ())
    assert preset.models.keys() | preset.unlisted.keys() >= known_models("anthropic").keys()
    assert not preset.models.keys() & preset.unlisted.keys()


def test_a_preset_without_a_list_has_that_of_the_catalog() -> None:
    preset = load_presets()["novita"]
    assert preset.models.keys() == known_models("novita").keys()
    assert preset.unlisted == {}


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
    provider = provider_at(base_url, preset)
    assert catalog_name(provider) == name


@pytest.mark.parametrize(
    ("provider", "model", "traits"),
    [
        ("anthropic", "claude-opus-4-5", set[str]()),
        ("anthropic", "claude-sonnet-4-5-20250929", set[str]()),
        ("anthropic", "claude-haiku-4-5", set[str]()),
        ("anthropic", "claude-sonnet-4-6", {"adaptive_thinking", "no_prefill"}),
        ("anthropic", "claude-opus-4-7-20260416", TRAITS),
        ("anthropic", "claude-opus-4-8", TRAITS),
        ("anthropic", "claude-opus-5", TRAITS),
        ("anthropic", "claude-haiku-5-5", TRAITS),
        ("anthropic", "claude-fable-5-2", TRAITS),
        ("openai", "gpt-4o", set[str]()),
        ("openai", "gpt-5-chat-latest", set[str]()),
        ("openai", "gpt-5-mini", {"fixed_sampling"}),
        ("openai", "gpt-5.4", set[str]()),
        ("openai", "o3", {"fixed_sampling"}),
        ("google", "gemini-2.5-pro", set[str]()),
        ("google", "gemini-3.8-flash", {"adaptive_thinking"}),
    ],
)
def test_traits_of_models(provider: str, model: str, traits: set[str]) -> None:
    facts = facts_for(provider, model)
    assert facts is not None
    assert TRAITS & set(facts.capabilities or ()) == traits


def test_a_model_whose_capabilities_are_known_only_by_its_traits_has_all_of_them() -> None:
    facts = facts_for("anthropic", "claude-fable-5-2")
    assert facts is not None
    assert set(facts.capabilities or ()) == {*KNOWN, *TRAITS}
