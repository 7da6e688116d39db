"""What a table says of its clients: the endpoints, whose errors a path has, and small answers."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from omniroute.errors import TableError, TranslationError
from omniroute.translation.registry import load_formats
from omniroute.translation.values import KeyPlaces
from tests.translation.answers import CASES
from tests.translation.tables import formats
from tests.translation.test_table import SMALL

CLIENT = """\
client:
  serves:
    POST /small/chat: infer
    POST /small/{model}:count: count
    GET /small/{model}: model
  errors_at: [/small/]
  key: {header: small-key, query: k}
  vary: [Small-Version]
  answers:
    count: {tokens: tokens}
    model: {id: id}
"""
OTHER = SMALL.replace("format: small", "format: other")


def findings(client: str, *, other: str = "") -> list[str]:
    try:
        load_formats({"other.yaml": OTHER + other, "small.yaml": SMALL + client})
    except TableError as error:
        return [str(item) for item in error.diagnostics]
    return []


@pytest.mark.parametrize(("format", "name", "node", "expected"), CASES.values(), ids=CASES)
def test_answers(format: str, name: str, node: dict[str, Any], expected: dict[str, Any]) -> None:
    said = formats().client(format).answer(name, node)
    assert orjson.dumps(said) == orjson.dumps(expected)  # the order of members counts, too


def test_a_table_says_where_its_clients_ask() -> None:
    loaded = load_formats({"small.yaml": SMALL + CLIENT})
    assert [(one.method, one.path, one.act) for one in loaded.endpoints] == [
        ("POST", "/small/chat", "infer"),
        ("POST", "/small/{model}:count", "count"),
        ("GET", "/small/{model}", "model"),
    ]
    assert loaded.key_places == KeyPlaces(headers=("small-key",), queries=("k",))
    assert loaded.vary == ("small-version",)
    assert loaded.envelope("/small/none", {}) == "small"
    assert loaded.envelope("/smaller", {}) is None


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        pytest.param("/v1/messages/unknown", {}, "anthropic", id="below a path"),
        pytest.param("/v1/models", {}, "openai-chat", id="shared, nothing told"),
        pytest.param("/v1/models/x", {"anthropic-version": "1"}, "anthropic", id="shared, told"),
        pytest.param("/v1/models/a/b:countTokens", {}, "gemini", id="by its end"),
        pytest.param("/v1/models/b:embedContent", {}, "gemini", id="by an end not served"),
        pytest.param("/v1beta/unknown", {}, "gemini", id="by its beginning"),
        pytest.param("/api/embed", {}, "ollama", id="beside the management API"),
        pytest.param("/api/keys", {}, None, id="nobody's"),
    ],
)
def test_whose_errors_a_path_has(path: str, headers: dict[str, str], expected: str | None) -> None:
    assert formats().envelope(path, headers) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("infer", "guess", "the act is one of"),
        ("POST /small/chat", "GET /small/chat", "infer is asked for by POST"),
        ("/small/chat", "small/chat", "a path is"),
        ("/small/chat", "/{provider}", "a path is"),
        ("/small/chat", "/small/{id}", "the path of infer has no {id}"),
        ("GET /small/{model}", "GET /small", "the path of model needs {model}"),
        ("    count: {tokens: tokens}\n", "", "count needs client.answers.count"),
        ("chat: infer", "chat: {act: infer, framing: x}", "framing one of sse"),
        ("chat: infer", "chat: {act: infer, unless: {a: b}}", "takes framing back"),
        (
            "chat: infer",
            "chat: {act: infer, x: 1}",
            "a map of act, kind, stream, framing and unless",
        ),
        ("header: small-key", "header: Small Key", "a header's name in lower case"),
        ("errors_at: [/", "errors_at: [", "lists paths, or beginnings of paths"),
        ("  answers:", "  loads_without: x\n  answers:", "needs client.answers.loaded"),
        ("  answers:", "  told: x\n  answers:", "unknown key told"),
        ("count: {tokens: tokens}", "count: 'tokens ||'", "OR181"),
    ],
)
def test_mistakes_are_pointed_at(old: str, new: str, expected: str) -> None:
    assert old in CLIENT
    found = findings(CLIENT.replace(old, new))
    assert found
    assert all(item.startswith("small.yaml:") for item in found)
    assert any(expected in item for item in found), found


def test_two_formats_at_one_path_are_told_apart_or_refused() -> None:
    row = "client:\n  serves:\n    POST /small/chat: infer\n"
    (found,) = findings(CLIENT, other=row)
    assert "POST /small/chat is where clients of other ask already" in found
    assert findings(CLIENT, other=row + "  told_by: other-version\n") == []


@pytest.mark.parametrize(
    ("format", "body", "param"),
    [
        pytest.param("anthropic", {}, "messages", id="nothing"),
        pytest.param("anthropic", {"messages": "x"}, "messages", id="no list"),
        pytest.param("gemini", {"contents": []}, "contents", id="empty"),
        pytest.param("gemini", {"contents": 5}, "contents", id="a number"),
    ],
)
def test_what_is_no_request_is_not_counted(format: str, body: dict[str, Any], param: str) -> None:
    with pytest.raises(TranslationError) as refused:
        formats().client(format).check(body)
    assert refused.value.param == param


def test_what_says_nothing_is_not_counted() -> None:
    with pytest.raises(TranslationError):
        formats().client("gemini").check_counted({"contents": [{"parts": [{}]}]})


def test_a_count_may_ask_for_a_request_within() -> None:
    client = formats().client("gemini")
    inner = {"contents": [{"parts": [{"text": "hi"}]}]}
    assert (
        orjson.loads(client.request_in("count", orjson.dumps({"generateContentRequest": inner})))
        == inner
    )
    for raw in (orjson.dumps(inner), b"{", b"[]"):
        assert client.request_in("count", raw) == raw


@pytest.mark.parametrize(
    ("user", "session"),
    [
        ("user_1_session_2", "user_1_session_2"),
        ('{"device_id": "d", "session_id": "s-1"}', "s-1"),
        ('{"device_id": "d"}', '{"device_id": "d"}'),
        ("7", "7"),
        (None, None),
    ],
)
def test_the_session_is_read_out_of_what_claude_code_writes(
    user: str | None, session: str | None
) -> None:
    assert formats().client("anthropic").facts({"metadata": {"user_id": user}}).session == session
