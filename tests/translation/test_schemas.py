"""JSON Schemas in smaller and other languages."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.translation.schemas import plain_schema, schema_subset

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
