"""What known fields may be: wrong values are named by their path, and all that APIs take passes."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from omniroute.config.model import ModelKind
from omniroute.errors import TableError, TranslationError
from omniroute.translation.registry import load_formats
from tests.translation.golden import cases, kind_of, load
from tests.translation.tables import formats
from tests.translation.test_table import SMALL

TURN = {"role": "user", "content": "hi"}
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["messages", "role", "content", "tools", "n", "parts", "text", "input"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@cache
def described(format: str, kind: ModelKind) -> Draft202012Validator:
    """The JSON Schema that the format's requests are described by."""
    schemas = formats().client(format, kind).schemas()
    body = {"$ref": f"#/components/schemas/{next(iter(schemas))}"}
    return Draft202012Validator({**body, "components": {"schemas": schemas}})


def refusal(format: str, body: dict[str, Any], kind: ModelKind = "chat") -> TranslationError | None:
    """What a check says of a body; the schema has to say no to the same ones."""
    error: TranslationError | None = None
    try:
        formats().client(format, kind).check(body)
    except TranslationError as refused:
        error = refused
    assert described(format, kind).is_valid(body) is (error is None)  # pyright: ignore[reportUnknownMemberType]
    return error


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"temperature": "hot"}, "temperature must be a number, not string"),
        ({"temperature": True}, "temperature must be a number, not boolean"),
        ({"max_tokens": 1.5}, "max_tokens must be a whole number, not 1.5"),
        ({"max_tokens": True}, "max_tokens must be a whole number, not boolean"),
        ({"top_logprobs": -1}, "top_logprobs must be a whole number of at least 0, not -1"),
        ({"n": 0}, "n must be a whole number of at least 1, not 0"),
        ({"stop": [5]}, "stop[0] must be a string, not 5"),
        ({"messages": None}, "messages is required"),
        ({"messages": []}, "messages must be an array of at least one item, not an empty one"),
        ({"messages": {}}, "messages must be an array of at least one item, not object"),
        ({"messages": [None]}, "messages[0] is required"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role is required"),
        ({"messages": [TURN, {**TURN, "content": 5}]}, "messages[1].content must be a string or"),
        (
            {"messages": [{**TURN, "role": "x" * 99}]},
            "messages[0].role must be one of 'system', 'developer', 'user', 'assistant', 'tool', "
            f"'function', not '{'x' * 40}'…",
        ),
        ({"tools": [{"function": {"name": 5}}]}, "tools[0].function.name must be a string, not 5"),
    ],
)
def test_what_is_wrong_is_named(members: dict[str, Any], message: str) -> None:
    error = refusal("openai-chat", {"messages": [TURN], **members})
    assert error is not None
    assert error.message.startswith(message)
    assert error.param == message.split(" ")[0]


@pytest.mark.parametrize(
    ("format", "body"),
    [
        pytest.param(
            "openai-chat", {"max_tokens": 1.0, "temperature": 1, "seed": -1.0}, id="whole floats"
        ),
        pytest.param(
            "openai-chat",
            dict.fromkeys(("temperature", "stop", "tools", "stream", "n", "user")),
            id="nulls",
        ),
        pytest.param("openai-chat", {"guided_json": 5, "top_k": "x"}, id="unknown fields"),
        pytest.param("openai-chat", {"tools": [{"type": "web_search"}]}, id="a hosted tool"),
        pytest.param("anthropic", {"max_tokens": 0}, id="a cache that is only warmed"),
        pytest.param(
            "anthropic",
            {
                "messages": [
                    {"role": "user", "content": [{"type": "search_result", "source": "https://x"}]},
                    {
                        "role": "assistant",
                        "content": [{"type": "web_fetch_tool_result", "content": {"type": "x"}}],
                    },
                ]
            },
            id="blocks of other kinds",
        ),
    ],
)
def test_what_apis_take_passes(format: str, body: dict[str, Any]) -> None:
    assert refusal(format, {"messages": [TURN], **body}) is None


def test_a_number_that_no_float_holds_is_named() -> None:  # no JSON that comes over HTTP has one
    with pytest.raises(TranslationError, match="max_tokens must be a whole number, not number"):
        formats().client("openai-chat").check({"messages": [TURN], "max_tokens": 10**400})


@pytest.mark.parametrize(
    ("format", "body"),
    [
        pytest.param("gemini", {"contents": {"parts": {"text": "hi"}}}, id="one for a list of one"),
        pytest.param("gemini", {"contents": [{"parts": [{"text": "hi"}]}]}, id="no role"),
        pytest.param("openai-responses", {"previous_response_id": "resp_1"}, id="no input"),
        pytest.param("openai-responses", {"input": [{"type": "item_reference"}]}, id="no role"),
        pytest.param("ollama", {"model": "m", "options": {"num_predict": -1}}, id="no limit"),
        pytest.param("openai-chat", {"messages": [TURN], "max_tokens": -1}, id="no limit in chat"),
        pytest.param("ollama-generate", {"prompt": "x", "context": [1, 2]}, id="a context"),
    ],
)
def test_what_other_apis_take_passes(format: str, body: dict[str, Any]) -> None:
    assert refusal(format, body) is None


def test_every_request_of_the_golden_cases_passes() -> None:
    wrong = {"chat-to-messages-wrong-role", "chat-to-messages-wrong-type"}
    refused: dict[str, str] = {}
    for path in cases():
        case = load(path)
        given = cast("dict[str, Any]", case["given"] or {})
        body: dict[str, Any] = given.get("request") or {}
        if body.keys() & {"messages", "contents", "content", "requests", "input", "prompt"}:
            error = refusal(case["client"], body, kind_of(case))
            if error is not None:
                refused[path.stem] = error.message
    assert set(refused) == wrong


@given(ANY, st.sampled_from(sorted(formats().speaking["chat"])))
def test_any_json_passes_or_is_refused_by_its_path(value: Any, format: str) -> None:
    body = cast("dict[str, Any]", value) if isinstance(value, dict) else {"messages": value}
    error = refusal(format, body)
    assert error is None or error.param


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("{}", None),
        ("{request: {a: text}}", None),
        ("{other: {a: text}}", "fields needs request"),
        ("{request: {a: text}, b: {c: text}}", "no other shape has a field of this one"),
        ("{request: text}", "a shape is a map of fields"),
        ("{request: {a: 5}}", "what a field may be is a text"),
        ("{request: {a: text |}}", "what a field may be is a text"),
        ("{request: {a: txt}}", "txt is unknown; known are any, boolean"),
        ("{request: {a: request}}", "request cannot hold itself"),
        ("{request: {a: b}, b: {c: '[b]'}}", "b cannot hold itself"),
        ("{request: {a: '[text] | [number]'}}", "a list in one way"),
        ("{request: {a: object | b}, b: {c: text}}", "an object in one way"),
        ("{request: {'a-b': text}}", "a field's name is a word"),
    ],
)
def test_mistakes_in_a_table_are_pointed_at(fields: str, expected: str | None) -> None:
    try:
        load_formats({"small.yaml": f"{SMALL}fields: {fields}\n"})
    except TableError as error:
        found = [str(item) for item in error.diagnostics]
        assert expected is not None, found
        assert any(expected in item and item.startswith("small.yaml:15:") for item in found), found
    else:
        assert expected is None
