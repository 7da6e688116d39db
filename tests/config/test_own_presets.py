"""Presets of one's own: in the file, in files of their own, in the place of shipped ones."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from omniroute.config.build import build_config
from omniroute.config.model import Connection, Model, Quirks, Ref
from omniroute.config.yamltree import parse_yaml
from tests.config.files import FORMATS, PRESETS, check_text, check_texts, found

LAB = (
    "{format: openai-chat, base_url: 'https://lab.example/v1', headers: {X-A: b}, "
    "models: {chat: [m], embedding: [v]}}"
)


def test_it_fills_in_what_a_provider_leaves_out() -> None:
    checked = check_text(
        f"version: 1\nproviders: {{p: {{preset: lab}}}}\npresets: {{lab: {LAB}}}\n"
    )
    assert found(checked) == []
    assert checked.config is not None
    provider = checked.config.providers["p"]
    assert (provider.format, provider.base_url) == ("openai-chat", "https://lab.example/v1")
    assert provider.headers == {"X-A": Ref("b", "/")}
    assert {name: model.kind for name, model in provider.models.items()} == {
        "m": "chat",
        "v": "embedding",
    }
    assert provider.connections == {"default": Connection(id="default")}


def test_a_file_of_its_own_is_an_entry() -> None:
    files = {
        "etc/omniroute.yaml": "version: 1\nproviders: {p: {preset: lab}, o: {preset: openai}}\n",
        "etc/presets/lab.yaml": "format: openai-chat\nbase_url: https://lab.example/v1\n",
        "etc/presets/openai.yaml": "format: anthropic\nbase_url: https://my.example\nfree: true\n",
        "presets/other.yaml": "what: ever\n",
    }
    checked = check_texts(files, "etc/omniroute.yaml")
    assert found(checked) == []
    assert checked.config is not None
    providers = checked.config.providers
    assert providers["p"].base_url == "https://lab.example/v1"
    assert (providers["o"].format, providers["o"].free) == ("anthropic", True)
    assert checked.patterns == ("etc/presets/*.yaml",)


def test_mistakes_are_told_where_they_are() -> None:
    files = {
        "omniroute.yaml": (
            "version: 1\n"
            "providers:\n"
            "  a: {preset: lab}\n"
            "  b: {preset: lob}\n"
            "  c: {preset: open}\n"
            "presets:\n"
            "  open: {format: openai-chat, chat_of: opennai}\n"
            "  two: {format: openai-chat}\n"
        ),
        "presets/lab.yaml": "format: openai-chatt\nbase_url: https://lab.example/v1\nmodel: {}\n",
        "presets/two.yaml": "format: openai-chat\n",
    }
    checked = check_texts(files, "omniroute.yaml")
    assert [(str(item).split(" ")[0], item.code) for item in checked.diagnostics] == [
        ("omniroute.yaml:4:15", "OR501"),
        ("omniroute.yaml:5:3", "OR503"),
        ("omniroute.yaml:7:40", "OR501"),
        ("presets/lab.yaml:1:9", "OR502"),
        ("presets/lab.yaml:3:1", "OR201"),
        ("presets/two.yaml:1:1", "OR124"),
    ]
    assert checked.diagnostics[0].hint == 'did you mean "lab"?'


def test_a_file_that_is_included_is_no_entry() -> None:
    files = {
        "omniroute.yaml": "version: 1\ninclude: [presets/*.yaml]\nproviders: {p: {preset: lab}}\n",
        "presets/mine.yaml": f"presets: {{lab: {LAB}}}\n",
    }
    assert found(check_texts(files, "omniroute.yaml")) == []


def test_what_a_server_refuses_is_joined_with_what_its_provider_adds() -> None:
    checked = check_text(
        "version: 1\n"
        "presets:\n"
        "  lab:\n"
        "    format: openai-chat\n"
        "    base_url: https://lab.example/v1\n"
        "    omit: [store]\n"
        "    rename: {seed: random_seed, max_completion_tokens: max_tokens}\n"
        "    quirks: {call_ids: '[a-z]{9}', thoughts: none}\n"
        "providers:\n"
        "  plain: {preset: lab}\n"
        "  more:\n"
        "    {preset: lab, omit: [user, store], rename: {seed: s}, quirks: {thoughts: reasoning}}\n"
    )
    assert found(checked) == []
    assert checked.config is not None
    plain, more = checked.config.providers["plain"], checked.config.providers["more"]
    assert plain.quirks == Quirks(call_ids="[a-z]{9}", thoughts="none")
    assert (more.omit, more.rename, more.quirks) == (
        ("store", "user"),
        {"seed": "s", "max_completion_tokens": "max_tokens"},
        Quirks(call_ids="[a-z]{9}", thoughts="reasoning"),
    )


def test_a_model_that_its_preset_knows_without_listing_it_is_completed() -> None:
    known = Model(id="old", context_window=1000, capabilities=("tools",))
    preset = replace(PRESETS["openai"], unlisted={"old": known, "older": Model(id="older")})
    root = parse_yaml(
        b"providers: {o: {preset: openai, models: {old: {max_output_tokens: 9}}}}", "f"
    ).root
    assert root is not None
    built = build_config(
        root, absolute=lambda path: path, presets={"openai": preset}, formats=FORMATS
    )
    provider = built.config.providers["o"]
    assert provider.models == {"old": replace(known, max_output_tokens=9)}
    assert provider.unlisted.keys() == {"older"}


@pytest.mark.parametrize("pattern", ["[a-z]", "[]{9}", "[z-a]{9}", "[a-z]{900}", "a{9}"])
def test_ids_are_told_by_characters_and_how_many(pattern: str) -> None:
    text = f"version: 1\nproviders: {{p: {{preset: openai, quirks: {{call_ids: '{pattern}'}}}}}}\n"
    assert "OR205" in {item.code for item in check_text(text).diagnostics}, pattern
