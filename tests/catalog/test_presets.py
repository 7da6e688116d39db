from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml

from omniroute.catalog.presets import card_of, catalog_name, is_priced, load_presets
from omniroute.catalog.pricing import cost_nanousd
from omniroute.config.model import Model, Price
from omniroute.config.preset import Preset
from omniroute.config.schema import load_schema
from omniroute.upstream.echo_vectors import DIMENSIONS
from tests.catalog.providers import provider_at

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
FORMATS = {
    "openai-chat",
    "openai-responses",
    "anthropic",
    "gemini",
    "ollama",
    "voyage",
    "cohere-rerank",
    "deepgram",
    "assemblyai",
}


def test_the_echo_preset_needs_no_key_and_costs_nothing() -> None:
    echo = load_presets()["echo"]
    assert (echo.format, echo.base_url, echo.api_key_env) == ("openai-chat", "echo:", None)
    free = Price(input_nanousd=0, output_nanousd=0, cached_input_nanousd=0, cache_write_nanousd=0)
    assert echo.models == {
        "echo": Model(id="echo", price=free),
        "echo-embedding": Model(
            id="echo-embedding", kind="embedding", price=free, dimensions=DIMENSIONS
        ),
        "echo-image": Model(id="echo-image", kind="image", price=free),
        "echo-rerank": Model(id="echo-rerank", kind="rerank", price=free),
        "echo-moderation": Model(id="echo-moderation", kind="moderation", price=free),
        "echo-speech": Model(id="echo-speech", kind="speech", price=free),
        "echo-transcription": Model(id="echo-transcription", kind="transcription", price=free),
    }


@pytest.mark.parametrize("preset", load_presets().values(), ids=lambda p: p.id)
def test_a_preset_is_complete(preset: Preset) -> None:
    assert preset.format in FORMATS
    assert preset.docs.startswith("https://")
    assert preset.sources
    assert all(source.startswith("https://") for source in preset.sources)
    assert all(model.id == id_ for id_, model in preset.models.items())
    assert (preset.base_url is None) is (preset.own_url is not None)
    if preset.base_url == "echo:":
        return
    url = urlsplit(preset.base_url or preset.own_url or "")
    assert url.path.rstrip("/") == url.path
    local = url.hostname == "127.0.0.1"
    assert preset.allow_private_network is local
    assert preset.needs_key is not local
    assert (preset.api_key_env is None) is local
    assert url.scheme == ("http" if local else "https")


def test_a_preset_that_nobody_wrote_is_none() -> None:
    shipped = load_presets()
    assert "no-such-preset" not in shipped
    assert shipped.get("../presets/openai") is None
    assert len(shipped) == len([*shipped])


def test_every_file_is_as_the_schema_has_it_and_names_no_model_twice() -> None:
    schema: Any = load_schema()["properties"]["presets"]["additionalProperties"]
    folder = files("omniroute.catalog").joinpath("presets")
    for name in load_presets():
        told = yaml.safe_load(folder.joinpath(f"{name}.yaml").read_text())
        if name != "echo":  # which has no URL
            jsonschema.validate(told, schema, cls=jsonschema.Draft202012Validator)
        models = [model for of_kind in told.get("models", {}).values() for model in of_kind]
        assert len(models) == len(set(models)), name


@pytest.mark.parametrize("id_", ["anthropic", "gemini", "ollama"])
def test_formats_whose_sdk_adds_the_version_have_a_bare_base_url(id_: str) -> None:
    assert urlsplit(load_presets()[id_].base_url or "").path == ""


@pytest.mark.parametrize(
    ("preset", "model", "free"),
    [
        ("echo", "anything", True),
        ("ollama", "llama3.2", True),
        ("vllm", "qwen", True),
        ("openai", "gpt-unheard-of", False),
        (None, "gpt-4o", False),
    ],
)
def test_what_runs_on_ones_own_machine_costs_nothing(
    preset: str | None, model: str, *, free: bool
) -> None:
    provider = provider_at("https://x.example/v1", preset)
    card = card_of(provider, model, at=NOON, declared=None)
    assert (card is not None) is free
    assert card is None or cost_nanousd(card, input_uncached=10, output=10) == 0
    dear = Price(input_nanousd=5_000_000, output_nanousd=5_000_000)
    declared = card_of(provider, model, at=NOON, declared=dear)
    assert declared is not None
    assert declared.base == dear


@pytest.mark.parametrize(
    ("preset", "model", "priced"),
    [
        ("openai", Model(id="gpt-4o"), True),
        ("openai", Model(id="mine", upstream_id="gpt-4o"), True),
        ("openai", Model(id="gpt-unheard-of"), False),
        ("openai", None, True),
        ("llama-cpp", None, True),
        (None, None, False),
        (None, Model(id="m", price=Price(input_nanousd=0, output_nanousd=0)), True),
    ],
)
def test_what_has_a_price(preset: str | None, model: Model | None, *, priced: bool) -> None:
    provider = provider_at("https://x.example/v1", preset)
    assert is_priced(provider, model) is priced


def test_what_is_known_of_vectors_is_of_models_that_presets_have() -> None:
    known = {
        (catalog, model.id)
        for preset in load_presets().values()
        for model in preset.models.values()
        if model.dimensions or model.max_inputs
        for catalog in [catalog_name(provider_at("", preset.id))]
    }
    raw = files("omniroute.catalog").joinpath("vectors.yaml").read_text()
    told: dict[str, Any] = yaml.safe_load(raw)
    assert known == {(name, model) for name, entry in told.items() for model in entry["models"]}
    assert all(entry["source"].startswith("https://") for entry in told.values())
