"""Tables with mistakes: every one is found, and pointed at."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from omniroute.active.tables import read_tables
from omniroute.errors import TableError
from omniroute.translation.registry import load_formats

SHIPPED = read_tables()
SCHEMA = Path(__file__).parents[2] / "schemas" / "translator.schema.json"
SMALL = """\
format: small
paths: {chat: /chat}
framing: sse
maps: {stop: {end: end_turn}}
mappings:
  part: {type: "'text'", text: text}
request:
  decode: {messages: {$each: messages, $as: {$use: part}}}
  encode: {messages: messages}
response: {decode: {stop: "lookup('stop', stop)"}, encode: {id: id}}
errors: {decode: {message: error}, encode: {error: message}}
stream:
  decode:
    - {$when: text, $then: {block: "'t'", kind: "'text'", text: text}}
"""


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "a.b", "a ||", "$x"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "$each", "$when", "$use", "$lit", "$let"]), inner)
    ),
    max_leaves=5,
)


def findings(text: str) -> list[str]:
    try:
        load_formats({"small.yaml": text})
    except TableError as error:
        return [str(item) for item in error.diagnostics]
    return []


def test_a_small_table_is_a_format() -> None:
    formats = load_formats({"small.yaml": SMALL})
    assert formats.names() == ("small",)
    assert formats.pair("small", "small").passthrough


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            "text: text}\nrequest",
            'text: "text ||"}\nrequest',
            "6:40 OR181 the expression ends too early",
            id="an expression that breaks off",
        ),
        pytest.param(
            "$use: part",
            "$use: prat",
            "8:46 OR181 there is no mapping prat",
            id="an unknown mapping",
        ),
        pytest.param(
            "{$when: text, $then: {block: \"'t'\", kind: \"'text'\", text: text}}",
            "{$use: []}",
            "14:8 OR181 there is no mapping []",
            id="a mapping's name that is none",
        ),
        pytest.param(
            "{$when: text, $then",
            "{$whem: text, $then",
            "14:8 OR181 $whem is no directive here",
            id="an unknown directive",
        ),
        pytest.param(
            "$as: {$use: part}",
            "$as: {$use: part}, $flatt: true",
            "8:59 OR181 $flatt is a directive that $each does not take",
            id="a directive in the wrong place",
        ),
        pytest.param(
            "lookup('stop', stop)",
            "lookup('stops', stop)",
            "10:28 OR181 lookup() takes the name of a table under maps, and a value",
            id="an unknown map",
        ),
        pytest.param(
            "{id: id}",
            '{id: "idd(id)"}',
            "10:66 OR181 there is no function idd()",
            id="an unknown function",
        ),
        pytest.param(
            "{id: id}",
            '{id: "length(id, id)"}',
            "10:66 OR181 length() takes 1 arguments, not 2",
            id="a wrong number of arguments",
        ),
        pytest.param(
            "{id: id}",
            "{id: \"var('modle')\"}",
            "10:66 OR181 var() knows no 'modle'; did you mean 'model'?",
            id="an unknown name",
        ),
        pytest.param(
            "{id: id}",
            '{id: "!a.b"}',
            "10:66 OR181 `!a.b` means `(!a).b`; write `!(a.b)`",
            id="a negation that binds too tightly",
        ),
        pytest.param("framing: sse", "framing: xml", "3:1 OR181 framing is one of", id="framing"),
        pytest.param("errors:", "erors:", "11:1 OR181 unknown key erors", id="an unknown section"),
        pytest.param(
            "{decode: {message: error}, encode",
            "{decode: {message: error}, kinds: {x: whatever}, encode",
            "11:44 OR181 whatever is no kind of error",
            id="an unknown kind",
        ),
    ],
)
def test_a_mistake_is_pointed_at(old: str, new: str, expected: str) -> None:
    assert old in SMALL
    found = findings(SMALL.replace(old, new, 1))
    assert any(item.startswith(f"small.yaml:{expected}") for item in found), found


def test_all_mistakes_are_found_at_once() -> None:
    text = SMALL.replace("$use: part", "$use: prat").replace("{id: id}", '{id: "idd(id)"}')
    assert len(findings(text)) == 2


def _places(node: Any) -> list[Any]:
    return [*cast("dict[str, Any]", node)] if isinstance(node, dict) else [*range(len(node))]


@settings(max_examples=60)
@given(data=st.data())
def test_any_spoiled_table_is_a_format_or_a_list_of_findings(data: st.DataObject) -> None:
    sections: Any = yaml.safe_load(SMALL)
    node: Any = sections
    while True:
        place = data.draw(st.sampled_from(_places(node)))
        inner: Any = node[place]
        if inner and not isinstance(inner, str) and data.draw(st.integers(0, 3)):
            node = inner
            continue
        node[place] = data.draw(ANYTHING)
        break
    findings(yaml.safe_dump(sections))


def test_too_many_loops_are_a_finding() -> None:
    deep: Any = "a"
    for _ in range(20):
        deep = {"$each": "a", "$as": deep}
    text = SMALL.replace("{id: id}", yaml.safe_dump(deep, default_flow_style=True, width=9999))
    assert any("move a part to mappings" in item for item in findings(text))


def test_what_is_no_yaml_is_a_finding() -> None:
    assert findings("format: [") != []


def test_a_later_table_replaces_one_of_the_same_format() -> None:
    text = SHIPPED["openai-chat.yaml"].replace("chat: /chat/completions", "chat: /other")
    formats = load_formats({**SHIPPED, "mine/openai-chat.yaml": text})
    about = {item.name: item for item in formats.about()}
    assert about["openai-chat"].path == "/other"
    assert about["openai-chat"].file == "mine/openai-chat.yaml"


def test_the_same_format_passes_through() -> None:
    formats = load_formats(SHIPPED)
    for name in formats.speaking["chat"]:
        assert formats.pair(name, name).passthrough


def test_the_shipped_tables_are_as_the_schema_says() -> None:
    schema: Any = Draft202012Validator(orjson.loads(SCHEMA.read_bytes()))
    for file, text in SHIPPED.items():
        table = yaml.safe_load(text)
        assert list(schema.iter_errors(table)) == [], file
