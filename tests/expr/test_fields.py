"""Which inputs an expression names."""

from __future__ import annotations

import pytest

from omniroute.expr.fields import named_fields


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("tags.env == 'ci'", ("tags.env",), id="comparison"),
        pytest.param(
            "starts_with(request.model, 'cc/') && now.hour < `8`",
            ("request.model", "now.hour"),
            id="function and number",
        ),
        pytest.param("a.b[0].c", ("a.b",), id="stops at an index"),
        pytest.param("a[?x == 'y'].z", ("a",), id="a filter's fields are not inputs"),
        pytest.param("a.b || a.b", ("a.b",), id="once"),
        pytest.param("a.b && a", ("a.b", "a"), id="a prefix of its own counts"),
        pytest.param("{x: a, y: b.c}", ("a", "b.c"), id="multiselect"),
        pytest.param("`1`", (), id="literal"),
        pytest.param("sort_by(a, &b)", ("a",), id="expression reference"),
    ],
)
def test_named_fields(expression: str, expected: tuple[str, ...]) -> None:
    assert named_fields(expression) == expected
