"""The general functions of tables."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.errors import TranslationError
from omniroute.translation.functions import FUNCTIONS, SEAL_MARK

PNG = "iVBORw0KGgoAAAANSUhEUgAA"
TEXT_PART = {"type": "text", "text": "a"}


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        pytest.param("parts", ["a"], [TEXT_PART], id="parts of text"),
        pytest.param("parts", [""], [], id="parts of nothing"),
        pytest.param("parts", [None], None, id="parts of null"),
        pytest.param("collapse", [[TEXT_PART]], "a", id="collapse one"),
        pytest.param("collapse", [[TEXT_PART, TEXT_PART]], [TEXT_PART] * 2, id="collapse two"),
        pytest.param("plain_text", [["x", TEXT_PART, 5, {}]], "xa", id="plain text"),
        pytest.param("before", ["a|b|c", "|"], "a", id="before"),
        pytest.param("before", ["a", "|"], None, id="before nothing"),
        pytest.param("after", ["a|b|c", "|"], "b|c", id="after"),
        pytest.param("after", [None, "|"], None, id="after of null"),
        pytest.param(
            "numbered", [[{"a": 1}, 5, {}]], [{"a": 1, "index": 0}, {"index": 2}], id="numbered"
        ),
        pytest.param("numbered", [None], None, id="numbered null"),
        pytest.param("scaled", [1234, 0.001], 1.234, id="scaled"),
        pytest.param("scaled", ["1", 0.001], None, id="scaled text"),
        pytest.param("parse_json", ['{"b":1,"a":2}'], {"b": 1, "a": 2}, id="parse"),
        pytest.param("parse_json", [" "], {}, id="parse blank"),
        pytest.param("parse_json", ["{"], None, id="parse broken"),
        pytest.param("parse_json", [{"a": 1}], {"a": 1}, id="parse parsed"),
        pytest.param("parse_object", ["[1]"], {"value": [1]}, id="object of a list"),
        pytest.param("parse_object", ["{"], {"value": "{"}, id="object of broken text"),
        pytest.param("parse_object", [None], {}, id="object of null"),
        pytest.param("to_json", [{"b": 1, "a": "é"}], '{"b":1,"a":"é"}', id="to_json"),
        pytest.param("as_list", ["a"], ["a"], id="as_list"),
        pytest.param("concat", [[1], None, 2], [1, 2], id="concat"),
        pytest.param("join_text", ["a", None, 1, True], "a1", id="join_text"),
        pytest.param("split_text", ["a/b", "/"], ["a", "b"], id="split_text"),
        pytest.param("plus", [1, None, 2], 3, id="plus"),
        pytest.param(
            "camel_keys",
            [{"in_a": [{"b_c": 1}], "properties": {"f_g": {"h_i": 2}}, "own": {"j_k": 3}}, "own"],
            {"inA": [{"bC": 1}], "properties": {"f_g": {"hI": 2}}, "own": {"j_k": 3}},
            id="camel_keys",
        ),
        pytest.param("url_type", ["https://a/b.PNG?x=.pdf"], "image/png", id="url_type"),
        pytest.param("iso_time", [1700000000], "2023-11-14T22:13:20Z", id="iso_time"),
        pytest.param("iso_time", [-1], None, id="iso_time of none"),
        pytest.param("url_type", ["https://a/b"], None, id="url_type unknown"),
        pytest.param("seal", [None], None, id="seal nothing"),
        pytest.param("unseal", ["c2lnbmF0dXJl"], None, id="unseal what is not sealed"),
        pytest.param("unseal", ["~"], None, id="unseal what is no base64"),
        pytest.param("unseal", [5], None, id="unseal a number"),
        pytest.param("plus", [None, None], None, id="plus nothing"),
        pytest.param("minus", [5, 2, None], 3, id="minus"),
        pytest.param("minus", [1, 2], 0, id="minus below zero"),
        pytest.param("minus", [None, 2], None, id="minus nothing"),
        pytest.param("clamp", [5, 1, 3], 3, id="clamp high"),
        pytest.param("clamp", [5, 9, 3], 9, id="clamp low wins"),
        pytest.param("clamp", [5, None, None], 5, id="clamp open"),
        pytest.param("take", [[1, 2, 3], 2], [1, 2], id="take"),
        pytest.param(
            "take_while", [[{"r": 1}, {"r": 2}, {"r": 1}], "r", 1], [{"r": 1}], id="while"
        ),
        pytest.param("skip_while", [[{"r": 1}, {"r": 2}], "r", 1], [{"r": 2}], id="skip"),
        pytest.param("find", [[{"a": 1}, {"a": 2, "b": 3}], "a", 2], {"a": 2, "b": 3}, id="find"),
        pytest.param("find", [[{"a": 1}], "a", True], None, id="find is strict"),
        pytest.param("index_by", [[{"a": "x"}, {"a": 1}], "a"], {"x": {"a": "x"}}, id="index_by"),
        pytest.param("get", [{"a": 1}, "a"], 1, id="get"),
        pytest.param("items", [{"a": 1}], [{"key": "a", "value": 1}], id="items"),
        pytest.param("from_items", [[{"key": "a", "value": 1}, 5]], {"a": 1}, id="from_items"),
        pytest.param("omit", [{"a": 1, "b": 2}, "a"], {"b": 2}, id="omit"),
        pytest.param("pick", [{"a": 1, "b": None}, "a", "b"], {"a": 1}, id="pick"),
        pytest.param(
            "url_source",
            [f"data:;base64,{PNG}"],
            {"kind": "base64", "media_type": "image/png", "data": PNG},
            id="a data URL without a type",
        ),
        pytest.param(
            "url_source",
            ["gs://bucket/a"],
            {"kind": "url", "url": "gs://bucket/a"},
            id="a URL",
        ),
        pytest.param("sniff", ["%%%"], None, id="sniff garbage"),
        pytest.param("short_id", ["short", 40], "short", id="short_id keeps"),
        pytest.param("fit_id", ["abcDEF123", "[a-zA-Z0-9]{9}"], "abcDEF123", id="fit_id keeps"),
        pytest.param(
            "fit_id", ["short", "[a-z_-]{1,40}"], "short", id="fit_id keeps what is short"
        ),
        pytest.param("fit_id", ["a.b", None], "a.b", id="fit_id without a pattern"),
        pytest.param("fit_id", [None, "[a-z]{9}"], None, id="fit_id of nothing"),
        pytest.param("parse_lines", ['{"a":1}\n no\n[2]\n'], [{"a": 1}, [2]], id="parse_lines"),
        pytest.param("parse_lines", [{"a": 1}], None, id="parse_lines of no text"),
        pytest.param(
            "join_pieces",
            [
                [
                    {"k": 1, "t": "a"},
                    {"k": 2, "t": "b"},
                    {"k": 1, "t": "c", "s": "d", "x": None},
                    3,
                ],
                "k",
                "t",
            ],
            [{"k": 1, "t": "ac", "s": "d"}, {"k": 2, "t": "b"}, 3],
            id="join_pieces",
        ),
        pytest.param("join_pieces", [None, "k", "t"], None, id="join_pieces of nothing"),
        pytest.param(
            "at_most",
            [[{"k": 1}, {"x": {"k": 2}}, {"k": 3}], "k", 2],
            [{}, {"x": {"k": 2}}, {"k": 3}],
            id="at_most",
        ),
    ],
)
def test_gives(name: str, arguments: list[Any], expected: Any) -> None:
    assert FUNCTIONS[name](*arguments) == expected


@pytest.mark.parametrize("name", ["parts", "plain_text"])
def test_content_of_another_type_is_refused(name: str) -> None:
    with pytest.raises(TranslationError, match="content must be text or an array, not number"):
        FUNCTIONS[name](5)


def test_json_text_of_what_is_too_deep_is_refused() -> None:
    value: Any = 1
    for _ in range(300):
        value = [value]
    with pytest.raises(TranslationError, match="nested too deeply"):
        FUNCTIONS["to_json"](value)


@given(st.text(min_size=41), st.text(min_size=41))
def test_short_ids_are_short_steady_and_distinct(one: str, other: str) -> None:
    short = FUNCTIONS["short_id"]
    assert len(short(one, 40)) == 40
    assert (short(one, 40) == short(other, 40)) is (one == other)


@given(st.binary(max_size=60))
def test_a_source_becomes_its_url_and_back(data: bytes) -> None:
    source = FUNCTIONS["base64_source"](data.hex(), "image/png")
    assert FUNCTIONS["url_source"](FUNCTIONS["source_url"](source)) == source


@given(st.text())
def test_what_is_sealed_comes_back_in_either_alphabet(text: str) -> None:
    seal, unseal = FUNCTIONS["seal"], FUNCTIONS["unseal"]
    sealed = seal({"text": text})
    assert sealed.encode().startswith(SEAL_MARK)
    assert unseal(sealed) == {"text": text}
    assert unseal(sealed.replace("+", "-").replace("/", "_").rstrip("=")) == {"text": text}


@given(st.text(), st.integers())
def test_made_ids_are_steady_and_distinct(seed: str, number: int) -> None:
    made = FUNCTIONS["made_id"]
    assert made("x_", seed, number) == made("x_", seed, number)
    assert made("x_", seed, number).startswith("x_")
    assert made("x_", seed, number) != made("x_", seed, number + 1)


def test_a_tree_that_needs_no_new_name_is_not_copied() -> None:
    tree = {"aB": [{"properties": {"c_d": {"type": "x"}}}], "own": {"e_f": 1}}
    assert FUNCTIONS["camel_keys"](tree, "own") is tree


@given(st.text(), st.text())
def test_fitted_ids_are_steady_distinct_and_as_the_pattern_has_them(one: str, other: str) -> None:
    fit = FUNCTIONS["fit_id"]
    for pattern in ("[a-zA-Z0-9]{9}", "[0-9_-]{1,40}"):
        fitted = fit(one, pattern)
        assert fit(one, pattern) == fitted == fit(fitted, pattern)
        assert re.fullmatch(pattern, fitted)
        assert (fit(other, pattern) == fitted) is (one == other or other == fitted)
