"""The two schemas: valid, in step with the reader of tables, and true of what tables make."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import jsonschema
import orjson
import pytest

from omniroute.base.data import read_data
from omniroute.config.yamltree import parse_yaml, to_plain
from omniroute.gateway.tables import read_tables
from omniroute.translation import table
from omniroute.translation.pair import context
from tests.translation.golden import cases, load
from tests.translation.tables import compiled, target

TABLES = read_tables()
CASES = [pytest.param(path, id=path.stem) for path in cases()]


def schema(name: str) -> dict[str, Any]:
    return cast("dict[str, Any]", orjson.loads(read_data("schemas", f"{name}.schema.json")))


def validator(part: dict[str, Any]) -> Any:
    jsonschema.Draft202012Validator.check_schema(part)
    return jsonschema.Draft202012Validator(part)


HUB = schema("hub")
REQUEST = validator({**HUB["$defs"]["request"], "$defs": HUB["$defs"]})
RESPONSE = validator({**HUB["$defs"]["response"], "$defs": HUB["$defs"]})


@pytest.mark.parametrize("name", ["hub", "translator"])
def test_is_a_schema(name: str) -> None:
    assert validator(schema(name)) is not None


@pytest.mark.parametrize("file", sorted(TABLES))
def test_shipped_tables_follow_the_schema(file: str) -> None:
    root = parse_yaml(TABLES[file].encode(), file).root
    assert root is not None
    errors = validator(schema("translator")).iter_errors(to_plain(root))
    assert [error.message for error in errors] == []


def test_the_reader_knows_the_same_keys() -> None:
    whole = schema("translator")
    assert set(whole["properties"]) == table.SECTIONS
    assert set(whole["required"]) == set(table.NEEDED)
    for dotted, keys in table.INNER.items():
        part: Any = whole
        for name in dotted.split("."):
            part = part["properties"][name]
        assert set(part["properties"]) == keys, dotted


@pytest.mark.parametrize("path", CASES)
def test_what_tables_make_is_the_hub(path: Path) -> None:
    case = load(path)
    given = case["given"]
    refused = "refused" in case["expect"].get("request", {})
    if "messages" in given.get("request", {}) and not refused:
        decode = compiled(case["client"]).functions["request.decode"]
        REQUEST.validate(decode(given["request"], context(target(), {})))
    if "reply" in given and given["reply"].get("error", 0) is not None:
        decode = compiled(case["upstream"]).functions["response.decode"]
        RESPONSE.validate({"blocks": [], **decode(given["reply"], context(target(), {}))})
