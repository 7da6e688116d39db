"""JSON Schemas in smaller and other languages."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.translation.schemas import (
    allows_more,
    closed_schema,
    plain_schema,
    requires_all,
    schema_subset,
)

LEAF = {"type": "STRING"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param(
            {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": 0},
            {"type": "OBJECT", "properties": {"a": LEAF}},
            id="closed object",
        ),
        pytest.param(
            {"$schema": "x", "type": ["string", "null"]},
            {"type": "STRING", "nullable": True},
            id="nullable type",
        ),
        pytest.param(
            {"type": ["string", "integer"]},
            {"anyOf": [LEAF, {"type": "INTEGER"}]},
            id="two types",
        ),
        pytest.param(
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
            {"type": "STRING", "nullable": True},
            id="nullable alternative",
        ),
        pytest.param(
            {"oneOf": [{"type": "string"}, {"type": "number"}]},
            {"anyOf": [LEAF, {"type": "NUMBER"}]},
            id="one of",
        ),
        pytest.param({"const": 5}, {"type": "STRING", "enum": ["5"]}, id="constant"),
        pytest.param(
            {"type": "integer", "exclusiveMinimum": 1, "multipleOf": 2},
            {"type": "INTEGER", "minimum": 1},
            id="bounds",
        ),
        pytest.param({"type": "array"}, {"type": "ARRAY", "items": LEAF}, id="array of anything"),
        pytest.param(
            {"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}}, LEAF, id="reference"
        ),
        pytest.param(
            {
                "type": "object",
                "properties": {"next": {"$ref": "#"}, "gone": {"$ref": "#/$defs/none"}},
            },
            {
                "type": "OBJECT",
                "properties": {
                    "next": {
                        "type": "OBJECT",
                        "properties": {"next": {"type": "OBJECT"}, "gone": {"type": "OBJECT"}},
                    },
                    "gone": {"type": "OBJECT"},
                },
            },
            id="circle",
        ),
        pytest.param(
            {"allOf": [{"type": "string", "minLength": 1}, {"maxLength": 2}]},
            {"minLength": 1, "maxLength": 2, "type": "STRING"},
            id="all of",
        ),
    ],
)
def test_subset(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    assert schema_subset(schema) == expected


def test_plain() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {"type": {"type": "STRING", "nullable": True, "maxLength": "5"}},
        "propertyOrdering": ["type"],
        "anyOf": [{"type": "OBJECT"}],
        "defs": {"a": {"ref": "#/$defs/a"}},
    }
    assert plain_schema(schema) == {
        "type": "object",
        "properties": {"type": {"type": ["string", "null"], "maxLength": 5}},
        "anyOf": [{"type": "object"}],
        "$defs": {"a": {"$ref": "#/$defs/a"}},
    }
    assert plain_schema(None) is None


KEYS = st.sampled_from(
    ["type", "properties", "items", "anyOf", "oneOf", "allOf", "$ref", "enum", "const", "$defs"]
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["string", "array", "#", "object"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(ANY)
def test_any_schema_is_lowered(schema: Any) -> None:
    schema_subset(schema)
    plain_schema(schema)


OPEN: dict[str, Any] = {"type": "object"}
FALSE = {"additionalProperties": False}
CLOSED: dict[str, Any] = {**OPEN, **FALSE}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param(OPEN, CLOSED, id="any object"),
        pytest.param({**OPEN, "additionalProperties": True}, CLOSED, id="an open object"),
        pytest.param({"properties": {}}, {"properties": {}, **FALSE}, id="no type"),
        pytest.param(
            {"type": ["object", "null"]}, {"type": ["object", "null"], **FALSE}, id="two types"
        ),
        pytest.param({"anyOf": [OPEN, True]}, {"anyOf": [CLOSED, True]}, id="alternatives"),
        pytest.param({"items": OPEN}, {"items": CLOSED}, id="an array"),
        pytest.param({"$defs": {"type": OPEN}}, {"$defs": {"type": CLOSED}}, id="definitions"),
        pytest.param(
            {**OPEN, "properties": {"properties": {"type": "string"}}},
            {**CLOSED, "properties": {"properties": {"type": "string"}}},
            id="a member named like a keyword",
        ),
        pytest.param(
            {"enum": [OPEN], "default": OPEN}, {"enum": [OPEN], "default": OPEN}, id="data"
        ),
        pytest.param(True, True, id="no object"),
    ],
)
def test_a_closed_schema(schema: Any, expected: Any) -> None:
    assert closed_schema(schema) == expected
    assert not allows_more(expected)


@pytest.mark.parametrize(
    ("schema", "more"),
    [
        pytest.param(OPEN, True, id="any object"),
        pytest.param({**OPEN, "properties": {}}, False, id="declared members"),
        pytest.param({**OPEN, "properties": {}, "additionalProperties": True}, True, id="open"),
        pytest.param({"items": {**OPEN, "additionalProperties": OPEN}}, True, id="a map below"),
        pytest.param({**OPEN, "properties": {}, "patternProperties": {}}, True, id="patterns"),
        pytest.param({**OPEN, "$ref": "#/$defs/a"}, False, id="a reference"),
        pytest.param({"enum": [OPEN]}, False, id="data"),
    ],
)
def test_what_a_closed_schema_would_lose(schema: Any, *, more: bool) -> None:
    assert allows_more(schema) is more


@pytest.mark.parametrize(
    ("schema", "all_of_them"),
    [
        pytest.param(CLOSED, True, id="no members"),
        pytest.param({**CLOSED, "properties": {"a": {}}, "required": ["a"]}, True, id="all"),
        pytest.param({**CLOSED, "properties": {"a": {}}}, False, id="optional"),
        pytest.param({"type": ["object", "null"]}, False, id="nullable and open"),
        pytest.param({**CLOSED, "const": OPEN}, True, id="data"),
    ],
)
def test_a_schema_that_requires_all(schema: Any, *, all_of_them: bool) -> None:
    assert requires_all(schema) is all_of_them
