"""How much a body may hold and how deep it may go, judged on its bytes."""

from __future__ import annotations

from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.config.model import RequestLimits
from omniroute.errors import RequestError
from omniroute.request.bounds import STEP_BYTES, check_size

LIMITS: Final = RequestLimits(values=40, depth=5)
JSON: Final = st.recursive(
    st.text(alphabet=st.sampled_from('ab"\\[]{},\n\u00e9')) | st.integers(0, 9),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='"\\[,x'), inner),
    max_leaves=25,
)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)  # pyright: ignore[reportUnknownArgumentType]
    return 0


def _values(value: Any) -> int:
    """Opening brackets and commas."""
    if isinstance(value, dict | list):
        inner: list[Any] = list(value.values()) if isinstance(value, dict) else value  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
        return 1 + max(len(inner) - 1, 0) + sum(map(_values, inner))
    return 0


def _refused(
    raw: bytes, limits: RequestLimits = LIMITS, *, step_bytes: int = STEP_BYTES
) -> RequestError | None:
    try:
        check_size(raw, limits, step_bytes=step_bytes)
    except RequestError as error:
        return error
    return None


@given(body=st.dictionaries(st.text(), JSON), step=st.integers(1, 40))
def test_what_is_counted_is_what_a_parser_would_make(body: dict[str, Any], step: int) -> None:
    error = _refused(orjson.dumps(body), step_bytes=step)
    beyond = _values(body) > LIMITS.values or _depth(body) > LIMITS.depth
    assert (error is not None) is beyond


@pytest.mark.parametrize(
    ("raw", "field", "limit"),
    [
        pytest.param(b'{"model": "m", "tools": [' + b"[" * 9, "tools", "depth", id="never closed"),
        pytest.param(b'{"a": "[", "b": [' + b"1," * 99, "b", "values", id="many"),
        pytest.param(b"[" * 20, None, "depth", id="no object"),
    ],
)
def test_the_field_is_named(raw: bytes, field: str | None, limit: str) -> None:
    error = _refused(raw)
    assert error is not None
    assert (error.status, error.param) == (400, field)
    assert f"server.limits.{limit}" in error.message


def test_brackets_in_texts_do_not_count() -> None:
    said = "[" * 300_000 + '\\"{,' * 1000
    assert _refused(orjson.dumps({"said": said}), RequestLimits()) is None


def test_the_depth_goes_on_over_steps() -> None:
    raw = orjson.dumps({"a": " " * STEP_BYTES, "b": [[[[[1]]]]]})
    error = _refused(raw)
    assert error is not None
    assert error.param == "b"
