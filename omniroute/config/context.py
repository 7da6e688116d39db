"""What expressions over a request may name: policies' and combo targets' `when`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from omniroute.expr.fields import named_fields

CONTEXT_FIELDS: Final = frozenset(
    (
        "key",
        "tags",
        "client.ip",
        "request.path",
        "request.format",
        "request.model",
        "request.requested",
        "request.stream",
        "request.kind",
        "request.headers",
        "request.max_output_tokens",
        *(f"now.{name}" for name in ("year", "month", "day", "hour", "minute", "weekday", "date")),
        "usage.input_tokens_estimate",
    )
)
OPEN_FIELDS: Final = ("tags", "request.headers")
"""Maps whose keys the configuration and the caller choose."""


def unknown_fields(expression: str) -> Iterator[str]:
    """Paths that the expression reads and no request has. Raises ExpressionError."""
    for path in named_fields(expression):
        if path in CONTEXT_FIELDS or path.startswith(tuple(f"{name}." for name in OPEN_FIELDS)):
            continue
        # A whole branch, such as `now`, may be named to be passed on.
        if not any(field.startswith(f"{path}.") for field in CONTEXT_FIELDS):
            yield path
