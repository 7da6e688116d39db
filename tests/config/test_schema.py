"""The schema: complete for people, in step with the model, and every error a clear diagnostic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any, cast

import jsonschema
import msgspec
import orjson
import pytest

from omniroute.base.data import read_data
from omniroute.catalog.presets import load_presets
from omniroute.config import model
from omniroute.config.model import Config
from omniroute.config.schema import LATER, load_schema, suggest
from tests.config.files import HASH_A, check_text, found

Schema = Mapping[str, Any]


def read_starter() -> str:
    return files("omniroute.cli").joinpath("starter.yaml").read_text()


def fields(schema: Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Every field of the language with its path; `*` stands for an id or a place in a list."""
    for name, field in cast("Mapping[str, Schema]", schema.get("properties", {})).items():
        yield (*path, name), field
        yield from fields(field, (*path, name))
    for inner in (schema.get("additionalProperties"), schema.get("items")):
        if isinstance(inner, dict):
            yield from fields(cast("Schema", inner), (*path, "*"))


def required(schema: Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every field that an entry cannot go without; such a field has no default."""
    yield from ((*path, name) for name in cast("list[str]", schema.get("required", [])))
    for name, field in cast("Mapping[str, Schema]", schema.get("properties", {})).items():
        yield from required(field, (*path, name))
    for inner in (schema.get("additionalProperties"), schema.get("items")):
        if isinstance(inner, dict):
            yield from required(cast("Schema", inner), (*path, "*"))


FIELDS = dict(fields(load_schema()))
REQUIRED = set(required(load_schema()))


def test_the_schema_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(cast("dict[str, Any]", load_schema()))


def test_editors_know_every_preset_and_where_the_schema_is() -> None:
    raw = orjson.loads(read_data("schemas", "omniroute.schema.json"))
    offered = raw["$defs"]["provider"]["properties"]["preset"]["anyOf"][0]["enum"]
    assert offered == sorted(load_presets())
    first, _ = read_starter().split("\n", 1)
    assert first == f"# yaml-language-server: $schema={raw['$id']}"
    assert raw["$id"].startswith("https://")


@pytest.mark.parametrize("path", FIELDS, ids=".".join)
def test_every_field_is_described(path: tuple[str, ...]) -> None:
    field = FIELDS[path]
    assert field["title"]
    assert field["description"].endswith(".")
    # A default that hangs on other fields is told in words.
    assert ("default" in field) + ("x-default" in field) == (path not in REQUIRED)
    assert field["examples"]
    for example in field["examples"]:
        jsonschema.validate(
            example, cast("dict[str, Any]", field), cls=jsonschema.Draft202012Validator
        )
    if field.get("default") is not None:
        jsonschema.validate(
            field["default"], cast("dict[str, Any]", field), cls=jsonschema.Draft202012Validator
        )


def test_what_comes_later_is_not_in_the_schema() -> None:
    assert LATER & set(FIELDS) == set()


def test_the_defaults_of_an_empty_file_are_the_models() -> None:
    config = check_text("version: 1\n").config
    assert config is not None
    plain = msgspec.structs.replace(
        config,
        server=msgspec.structs.replace(config.server, data_dir=model.Server().data_dir),
        positions={},
    )
    assert config.server.data_dir == "/.omniroute"
    assert plain == Config()


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("prot: 1", 'unknown key "prot"', None),
        ("server: {prot: 1}", 'unknown key "prot"', 'did you mean "port"?'),
        (
            "git: {ref: main}",
            'this version does not have "git" yet',
            "remove it; a newer version of OmniRoute may know it",
        ),
        ("reload: {watch: on}", 'expected true or false, not "on"', "write true or false; yes, no"),
        ("server: {port: '80'}", 'expected a whole number, not "80"', "remove the quotes"),
        ("server: {port: 8.5}", "expected a whole number, not 8.5", "for example 8080"),
        ("server: {port: 65536}", "65536 is too large; the most is 65535", None),
        ("server: {port: -1}", "-1 is too small; the least is 0", "for example 8080"),
        ("server: {host: 1}", "expected text, not 1", 'write it in quotes: "1"'),
        ("server: {host: ''}", "the text is empty", "for example 0.0.0.0"),
        ("server: {host: }", "expected text, not nothing", "the key has no value"),
        ("server: {max_body: 32M}", '"32M" is not a size', "for example 512KiB or 32MiB"),
        ("server: {workers: many}", '"many" does not fit here', "a number, or auto"),
        (
            "server: {trusted_proxies: 10.0.0.0/8}",
            'expected a list, not "10.0.0.0/8"',
            "write it as a list: [10.0.0.0/8]",
        ),
        (
            "server: {trusted_proxies: [a/1, a/1]}",
            "the list holds the same entry twice",
            "remove one of the two",
        ),
        ("providers: [echo]", "expected a map, not a list", "write `name: …` entries"),
        ("version: 2", "2 is not 1", None),
        ('"server\\n": {}', 'unknown key "server"', 'did you mean "server"?'),
    ],
)
def test_errors_say_what_is_expected(text: str, message: str, hint: str | None) -> None:
    finding = next(
        item for item in check_text(text + "\n").diagnostics if item.code not in ("OR520", "OR401")
    )
    assert finding.message == message
    if hint is None:
        assert finding.hint is None or finding.hint.startswith("known here")
    else:
        assert finding.hint is not None
        assert finding.hint.startswith(hint)


def test_all_errors_come_at_once_and_stand_at_their_place() -> None:
    checked = check_text(
        f"""\
server:
  prot: 1
  port: x
keys:
  ci:
    hash: sha256:{HASH_A}
    roles: [admin, root]
  a/b: {{hash: sha256:{HASH_A[:-1]}}}
  none: {{}}
providers:
  echo: {{preset: echo, client: slow}}
auth: {{require_api_key: true}}
"""
    )
    assert found(checked) == [
        "2:3 OR201",
        "3:9 OR203",
        "7:20 OR204",
        "8:3 OR207",
        "8:15 OR205",
        "9:3 OR202",
        "11:32 OR204",
    ]


def test_a_final_line_end_does_not_slip_through_a_pattern() -> None:
    checked = check_text('providers: {"echo\\n": {preset: echo}}\n')
    assert "1:13 OR207" in found(checked)


def test_suggestions_are_near_or_the_short_list() -> None:
    assert suggest("opnai", ["openai", "anthropic"]) == 'did you mean "openai"?'
    assert suggest("x", ["b", "a"]) == "known here: a, b"
    assert suggest("x", [f"name{n}" for n in range(20)]) is None
