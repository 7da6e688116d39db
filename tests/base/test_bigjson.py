"""Large JSON in steps reads as JSON does."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.base import bigjson
from omniroute.base.bigjson import STEP_BYTES, read_json

LONG = "a text,\n" * (STEP_BYTES // 4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(0, 1) | st.text() | st.just(LONG),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(value=JSON, indent=st.booleans())
def test_it_reads_what_a_parser_reads(value: Any, indent: bool) -> None:
    raw = orjson.dumps([LONG, value], option=orjson.OPT_INDENT_2 if indent else 0)
    assert read_json(raw) == orjson.loads(raw)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'{"a": [1,], "b": "%b"}', id="a comma too many"),
        pytest.param(b'{"a": "%b", "b": 01}', id="a number"),
        pytest.param(b'["%b"', id="cut"),
        pytest.param(b'["%b", nan]', id="no number"),
    ],
)
def test_what_is_no_json_is_told_with_its_place(raw: bytes) -> None:
    raw = raw.replace(b"%b", b"x" * STEP_BYTES)
    with pytest.raises(orjson.JSONDecodeError) as expected:
        orjson.loads(raw)
    with pytest.raises(orjson.JSONDecodeError) as found:
        read_json(raw)
    assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("size", [0, STEP_BYTES])
@pytest.mark.parametrize(
    ("written", "read"),
    [
        pytest.param(rb'"cut \ud83d"', "cut \ufffd", id="the first half of a pair"),
        pytest.param(rb'"\ude00 B"', "\ufffd B", id="the second half"),
        pytest.param(rb'"\ud83d\ude00"', "\U0001f600", id="both"),
        pytest.param(rb'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600", id="one and a pair"),
        pytest.param(rb'"\\ud83d \ud83d"', "\\ud83d \ufffd", id="a backslash that is one"),
        pytest.param(b'"a\xff\xfeb"', "a\ufffd\ufffdb", id="no UTF-8"),
    ],
)
def test_what_others_write_is_read(written: bytes, read: Any, size: int) -> None:
    assert read_json(b'["' + b"x" * size + b'",' + written + b"]")[1] == read


def test_a_byte_order_mark_says_nothing() -> None:
    assert read_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_numbers_that_are_none_are_null() -> None:
    read = read_json(rb'["NaN \" -Infinity", NaN, -Infinity]')
    assert read == ['NaN " -Infinity', None, None]


@given(
    st.lists(
        st.sampled_from(["\\ud83d", "\\ude00", "\\\\", "\\u0041", "u", "d83d", "x" * 20]),
        max_size=30,
    ),
    st.integers(16, 64),
)
def test_halves_are_found_wherever_a_step_ends(pieces: list[str], step: int) -> None:
    raw = f'"{"".join(pieces)}"'.encode()
    whole = json.loads(raw).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bigjson, "_STEP", step)
        assert read_json(raw) == whole
