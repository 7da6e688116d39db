from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from omniroute.catalog.presets import load_presets
from omniroute.config.model import Model, Price
from omniroute.config.preset import Preset

FORMATS = {"openai-chat", "openai-responses", "anthropic", "gemini", "ollama"}


def test_the_echo_preset_needs_no_key_and_costs_nothing() -> None:
    echo = load_presets()["echo"]
    assert (echo.format, echo.base_url, echo.api_key_env) == ("openai-chat", "echo:", None)
    free = Price(input_nanousd=0, output_nanousd=0, cached_input_nanousd=0, cache_write_nanousd=0)
    assert echo.models == {"echo": Model(id="echo", price=free)}


@pytest.mark.parametrize("preset", load_presets().values(), ids=lambda p: p.id)
def test_a_preset_is_complete(preset: Preset) -> None:
    assert preset.format in FORMATS
    assert preset.docs.startswith("https://")
    assert all(model.id == id_ for id_, model in preset.models.items())
    if preset.base_url == "echo:":
        return
    url = urlsplit(preset.base_url)
    assert url.path.rstrip("/") == url.path
    local = url.hostname == "127.0.0.1"
    assert preset.allow_private_network is local
    assert preset.needs_key is not local
    assert (preset.api_key_env is None) is local
    assert url.scheme == ("http" if local else "https")


@pytest.mark.parametrize("id_", ["anthropic", "gemini", "ollama"])
def test_formats_whose_sdk_adds_the_version_have_a_bare_base_url(id_: str) -> None:
    assert urlsplit(load_presets()[id_].base_url).path == ""


def test_only_a_preset_that_says_so_is_free() -> None:
    priced = [p.id for p in load_presets().values() if any(m.price for m in p.models.values())]
    assert priced == ["echo"]
