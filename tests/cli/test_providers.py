"""`omniroute providers`: what a preset stands for, to read and to paste."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from omniroute.catalog.presets import load_presets
from omniroute.config.yamltree import parse_yaml, to_plain
from tests.cli.programs import run


def test_the_list_has_every_preset(tmp_path: Path) -> None:
    ran = run(tmp_path, "providers")
    assert ran.code == 0
    assert [line.split()[0] for line in ran.out.splitlines()] == ["PRESET", *load_presets()]
    listed = orjson.loads(run(tmp_path, "providers", "--json").out)
    assert [row["preset"] for row in listed] == list(load_presets())


def test_what_a_preset_shows_can_be_pasted(tmp_path: Path) -> None:
    ran = run(tmp_path, "providers", "show", "openai")
    assert ran.out.startswith("preset    openai\n")
    _, entry, models = ran.out.split("\n\n")
    root = parse_yaml(entry.encode(), "f").root
    assert root is not None
    assert to_plain(root) == {
        "providers": {
            "openai": {
                "preset": "openai",
                "connections": {"main": {"api_key": "${env:OPENAI_API_KEY}"}},
            }
        }
    }
    shown = orjson.loads(run(tmp_path, "providers", "show", "openai", "--json").out)
    assert len(models.splitlines()) == 1 + len(shown["models"])
    assert shown["models"][0].keys() == {
        "id", "kind", "context_window", "capabilities", "input_usd", "output_usd",
    }  # fmt: skip
    (tmp_path / "omniroute.yaml").write_text(entry)
    assert run(tmp_path, "check", "--strict").code == 0


def test_the_example_of_every_preset_passes(tmp_path: Path) -> None:
    ran = run(tmp_path, "init", *(word for name in load_presets() for word in ("--provider", name)))
    assert ran.code == 0
    assert run(tmp_path, "check", "--strict").code == 0


def test_a_preset_names_its_sources(tmp_path: Path) -> None:
    for name, preset in load_presets().items():
        assert f"\nsources   {' '.join(preset.sources)}\n" in shown(tmp_path, name)


def test_what_a_presets_servers_want_is_shown(tmp_path: Path) -> None:
    lines = shown(tmp_path, "mistral").splitlines()
    assert 'quirks    call_ids: "[a-zA-Z0-9]{9}" thoughts: "none"' in lines
    assert any(line.startswith('rename    max_completion_tokens: "max_tokens"') for line in lines)
    told = orjson.loads(run(tmp_path, "providers", "show", "groq", "--json").out)
    assert told["omit"] == ["logit_bias", "logprobs", "top_logprobs", "messages[].name"]


def test_a_preset_without_a_url_of_its_own_asks_for_yours(tmp_path: Path) -> None:
    entry = shown(tmp_path, "azure-openai").split("\n\n")[1]
    assert "\n    base_url: https://RESOURCE.openai.azure.com/openai/v1\n" in entry
    lines = [line for line in entry.splitlines() if "base_url" not in line]
    (tmp_path / "omniroute.yaml").write_text("\n".join(lines))
    ran = run(tmp_path, "check")
    assert ran.code == 1
    assert "OR503" in ran.out + ran.err
    assert "base_url: https://RESOURCE.openai.azure.com/openai/v1" in ran.out + ran.err


def shown(folder: Path, name: str) -> str:
    return run(folder, "providers", "show", name).out


def test_what_has_no_key_and_no_models_is_shown_too(tmp_path: Path) -> None:
    ran = run(tmp_path, "providers", "show", "ollama")
    assert "MODEL" not in ran.out
    assert ran.out.endswith("providers:\n  ollama:\n    preset: ollama\n")


def test_a_wrong_name_gets_a_near_one_or_the_way_to_the_list(tmp_path: Path) -> None:
    near = run(tmp_path, "providers", "show", "opnai")
    assert (near.code, near.err) == (
        2, 'error: there is no preset "opnai"; did you mean "openai"?\n',
    )  # fmt: skip
    far = run(tmp_path, "providers", "show", "zzz")
    assert far.err == 'error: there is no preset "zzz"; `omniroute providers` lists them\n'


def test_a_name_alone_shows_it(tmp_path: Path) -> None:
    assert run(tmp_path, "providers", "groq").out == run(tmp_path, "providers", "show", "groq").out
    assert run(tmp_path, "providers", "opnai").err.endswith('did you mean "openai"?\n')


def test_init_writes_the_presets_that_are_named(tmp_path: Path) -> None:
    ran = run(tmp_path, "init", "--provider", "openai", "--provider", "anthropic")
    assert "the keys are read from OPENAI_API_KEY, ANTHROPIC_API_KEY" in ran.err
    root = parse_yaml((tmp_path / "omniroute.yaml").read_bytes(), "f").root
    assert root is not None
    written: dict[str, Any] = to_plain(root)["providers"]
    assert list(written) == ["openai", "anthropic"]
    assert run(tmp_path, "check", "--strict").code == 0
    assert run(tmp_path, "init", "--force", "--provider", "opnai").code == 2
