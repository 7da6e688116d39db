"""The model and the schema describe the same fields: names, defaults, choices and forms."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import orjson
import pytest
from msgspec import NODEFAULT, inspect
from msgspec.structs import replace

from omniroute.config.bind import kind_of
from omniroute.config.build import build_config
from omniroute.config.fields import FIELD_READERS
from omniroute.config.model import Config
from omniroute.config.schema import check_schema
from omniroute.config.yamltree import parse_yaml
from tests.config.files import FORMATS, HASH_A, PRESETS
from tests.config.test_schema import FIELDS, REQUIRED

Names = tuple[str, ...]


def model_fields(kind: inspect.Type, path: Names = ()) -> Iterator[tuple[Names, inspect.Field]]:
    """Every field that a file can hold, with its path as in the schema."""
    match bare(kind):
        case inspect.StructType(fields=fields):
            for field in fields:
                if kind_of(field.type) not in ("id", "derived"):
                    yield (*path, field.encode_name), field
                    if form(field.type) is None:
                        yield from model_fields(field.type, (*path, field.encode_name))
        case inspect.DictType(value_type=inner) | inspect.VarTupleType(item_type=inner) if (
            form(inner) is None
        ):
            yield from model_fields(inner, (*path, "*"))
        case _:
            pass


def options(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    types = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return tuple(one for one in types if not isinstance(one, inspect.NoneType))


def bare(kind: inspect.Type) -> inspect.Type:
    """Without the kind, and without None where one other type is left."""
    if isinstance(kind, inspect.Metadata):
        return bare(kind.type)
    return bare(options(kind)[0]) if len(options(kind)) == 1 and options(kind)[0] != kind else kind


def form(kind: inspect.Type) -> str | None:
    """The field's own kind, as in `fields`."""
    return kind_of(kind) or next(
        (found for one in options(kind) if (found := kind_of(one)) is not None), None
    )


MODEL: Final = dict(model_fields(inspect.type_info(Config)))
OPAQUE: Final = {path for path, field in MODEL.items() if form(field.type) is not None}
DESCRIBED: Final = {
    path: field
    for path, field in FIELDS.items()
    if not any(path[:length] in OPAQUE for length in range(len(path)))
}
FROM_A_PRESET: Final = {("providers", "*", "format"), ("providers", "*", "base_url")}
"""Required of a provider, but not of its entry."""

BASE: Final[Mapping[str, Any]] = {
    "keys": {"k": {"hash": f"sha256:{HASH_A}"}},
    "presets": {"s": {"format": "openai-chat"}},
    "providers": {
        "p": {
            "format": "openai-chat",
            "base_url": "https://p.example",
            "connections": {"c": {}},
            "models": {"m": {}},
        }
    },
    "combos": {"c": {"targets": [{"model": "p/m"}]}},
    "policies": [{"id": "a", "action": "deny"}],
    "budgets": {"b": {"limit": 1, "webhook": {"url": "https://hooks.example"}}},
    "tests": [{"name": "t", "given": {}, "expect": {"status": 200}}],
}


def built(document: Mapping[str, Any]) -> Config:
    root = parse_yaml(orjson.dumps(document), "omniroute.yaml").root
    assert root is not None
    assert check_schema(root).diagnostics == ()
    done = build_config(root, absolute=lambda path: path, presets=PRESETS, formats=FORMATS)
    assert done.diagnostics == ()
    return done.config


def shown(config: Config) -> Config:
    """All of it but what was found out about the file itself."""
    return replace(
        config,
        positions={},
        tests=tuple(replace(test, mark=None) for test in config.tests),
        combos={name: replace(combo, resilience_set=()) for name, combo in config.combos.items()},
    )


def having(path: Names, value: object) -> dict[str, Any]:
    """The base document with a value at the path; maps on the way are made."""
    document = copy.deepcopy(dict(BASE))
    here: Any = document
    for name in path[:-1]:
        key = _place(here, name)
        if isinstance(key, str):
            here.setdefault(key, {})
        here = here[key]
    here[_place(here, path[-1])] = value
    return document


def _place(here: Any, name: str) -> str | int:
    """Where a step of the path leads: `*` to the one entry of the base document."""
    if name != "*":
        return name
    return 0 if isinstance(here, list) else str(next(iter(here)))


def in_base(path: Names) -> bool:
    here: Any = BASE
    for name in path:
        if name != "*" and name not in here:
            return False
        here = here[_place(here, name)]
    return True


def test_every_field_stands_in_both() -> None:
    assert set(MODEL) == set(DESCRIBED)


def test_every_kind_has_a_reader_and_every_reader_a_field() -> None:
    items = {
        form(kind.item_type if isinstance(kind, inspect.VarTupleType) else kind)
        for field in MODEL.values()
        for kind in (bare(field.type), field.type)
    }
    maps = {
        form(kind.value_type)
        for field in MODEL.values()
        if isinstance(kind := bare(field.type), inspect.DictType)
    }
    assert (items | maps) - {None} == set(FIELD_READERS)


@pytest.mark.parametrize(
    "path", [path for path in DESCRIBED if "x-default" not in FIELDS[path]], ids=".".join
)
def test_a_default_is_the_same(path: Names) -> None:
    field, said = MODEL[path], FIELDS[path].get("default")
    assert field.required == (path in REQUIRED or path in FROM_A_PRESET)
    if said is None:
        empty = field.default_factory is dict
        assert (
            field.required or empty or field.default in (None, NODEFAULT, "")
        )  # UNSET is shown as no default
    elif in_base(path):
        assert not said
        assert field.default_factory is dict or field.default == ()
    else:
        # Writing the default changes nothing; an optional part is there before and after.
        parents = [path[:length] for length in range(1, len(path))]
        made = [part for part in parents if not in_base(part) and MODEL[part].default is None]
        before = having(made[0], {}) if made else BASE
        assert shown(built(having(path, said))) == shown(built(before))


@pytest.mark.parametrize("path", DESCRIBED, ids=".".join)
def test_what_the_schema_takes_the_model_takes(path: Names) -> None:
    field = FIELDS[path]
    bounds = [field[name] for name in ("minimum", "maximum") if name in field]
    whole = [float(value) for value in bounds if "integer" in field["type"]]
    for value in (*field["examples"], *field.get("enum", ()), *bounds, *whole):
        built(having(path, value))


@pytest.mark.parametrize("path", DESCRIBED, ids=".".join)
def test_choices_are_the_same(path: Names) -> None:
    if path[-1] == "capabilities" or path in OPAQUE:
        return  # tables may ask for others
    kind, field = bare(MODEL[path].type), FIELDS[path]
    if isinstance(kind, inspect.VarTupleType):
        kind, field = bare(kind.item_type), field["items"]
    literal = kind.values if isinstance(kind, inspect.LiteralType) else ()
    if len(options(kind)) == 1:
        assert set(field.get("enum", ())) == set(literal)


_FORMS: Final = ("duration", "size", "rate", "path")
_TYPES: Final[Mapping[type[inspect.Type], str]] = {
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.BoolType: "boolean",
    inspect.StrType: "string",
    inspect.LiteralType: "string",
    inspect.StructType: "object",
    inspect.DictType: "object",
    inspect.VarTupleType: "array",
}


@pytest.mark.parametrize("path", DESCRIBED, ids=".".join)
def test_a_value_is_written_in_the_same_form(path: Names) -> None:
    kind, field = MODEL[path].type, FIELDS[path]
    said = set(
        cast("list[str]", field["type"]) if isinstance(field["type"], list) else [field["type"]]
    )
    match form(kind):
        case "reference" | "state url":
            assert field["format"] == "omniroute-ref"
        case None if path != ("version",):
            takes = {_TYPES[type(bare(one))] for one in options(kind)}
            if getattr(getattr(bare(kind), "cls", None), "SHORT", None) or takes == {"array"}:
                takes.add("string")  # a text may stand for a map or a list of one
                said.add("string")
            assert said - {"null"} == takes
        case name:
            assert name not in _FORMS or field["x-form"] == name
