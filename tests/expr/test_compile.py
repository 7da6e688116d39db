"""The compiled language is JMESPath: the compliance suite, and agreement with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jmespath
import jmespath.exceptions
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.errors import ExpressionError
from omniroute.expr.compile import compile_expression

SUITE = Path(__file__).parent.parent / "data" / "jmespath"


def _cases() -> list[Any]:
    cases: list[Any] = []
    for path in sorted(SUITE.glob("*.json")):
        for group, suite in enumerate(orjson.loads(path.read_bytes())):
            for number, case in enumerate(suite["cases"]):
                name = f"{path.stem}-{group}-{number}"
                cases.append(pytest.param(suite["given"], case, id=name))
    return cases


@pytest.mark.parametrize(("given_value", "case"), _cases())
def test_compliance(given_value: Any, case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(ExpressionError):
            compile_expression(case["expression"])(given_value)
    else:
        assert compile_expression(case["expression"])(given_value) == case["result"]


NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["", "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


def _extend(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operator = st.sampled_from(["==", "!=", "<", ">=", "||", "&&"])
    return st.one_of(
        st.builds("{}.{}".format, inner, NAMES),
        st.builds("{}[{}]".format, inner, st.integers(-2, 2)),
        st.builds("{}[*].{}".format, inner, NAMES),
        st.builds("{}.*".format, inner),
        st.builds("{}[]".format, inner),
        st.builds("{}[?{}]".format, inner, inner),
        st.builds("{}[::{}]".format, inner, st.sampled_from([-1, 2])),
        st.builds("({} | {})".format, inner, inner),
        st.builds("({} {} {})".format, inner, operator, inner),
        st.builds("!{}".format, inner),
        st.builds("{{x: {}, y: {}}}".format, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("{}({})".format, st.sampled_from(["length", "type", "to_array"]), inner),
        st.builds("map(&{}, {})".format, inner, inner),
    )


EXPRESSIONS = st.recursive(
    st.sampled_from(["a", "b", "@", "`1`", "`true`", "`null`", "'a'", "`[]`"]),
    _extend,
    max_leaves=6,
)


@given(expression=EXPRESSIONS, value=VALUES)
def test_agrees_with_the_package(expression: str, value: Any) -> None:
    try:
        reference = jmespath.compile(expression)
    except jmespath.exceptions.JMESPathError:
        with pytest.raises(ExpressionError):
            compile_expression(expression)
        return
    try:
        expected = reference.search(value)
    except jmespath.exceptions.JMESPathTypeError:
        with pytest.raises(ExpressionError):
            compile_expression(expression)(value)
        return
    except TypeError:
        # The package leaks Python's error when text is ordered against a number; ours is null.
        return
    # Text, because 1 == True in Python and the two must not be confused.
    assert repr(compile_expression(expression)(value)) == repr(expected)


@pytest.mark.parametrize(
    ("expression", "position"),
    [
        pytest.param("a.[", 3, id="cut off"),
        pytest.param("a ~ b", 2, id="unknown sign"),
        pytest.param("", 0, id="empty"),
    ],
)
def test_a_syntax_error_has_its_position(expression: str, position: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(expression)
    assert caught.value.position == position


def test_more_loops_than_one_python_function_holds() -> None:
    value: Any = 1
    for _ in range(30):
        value = [{"a": value}]
    text = "@" + "[*].a" * 30
    assert compile_expression(text)(value) == jmespath.search(text, value)


@pytest.mark.parametrize("text", ["a" + "[?a" * 90 + "]" * 90, "(" * 5000 + "a" + ")" * 5000])
def test_absurd_nesting_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="nested too deeply"):
        compile_expression(text)
