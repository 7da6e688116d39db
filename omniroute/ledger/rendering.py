"""The rows of an answer as CSV and JSON, value by value: for files, pipes and HTTP alike."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any, Final, cast

import orjson
from msgspec import Struct

Rows = Iterable[Sequence[Any]]

_JSON: Final = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z
_INT64: Final = range(-(2**63), 2**64)  # what orjson can write


class Column(Struct, frozen=True):
    """`type` in DuckDB's words."""

    name: str
    type: str


class QueryTable(Struct, frozen=True, kw_only=True, rename="camel"):
    """The rows of an answer, each with a value for every column; times are UTC.

    `truncated`: there are more than were allowed.
    """

    columns: list[Column]
    rows: list[list[Any]]
    row_count: int
    truncated: bool
    elapsed_ms: float


def csv_lines(columns: Sequence[str], rows: Rows) -> Iterator[str]:
    """The header, then a record for each row; NULL is an empty field."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for row in chain[Sequence[Any]]([columns], rows):
        writer.writerow("" if value is None else exact(value) for value in row)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def json_row(row: Sequence[Any]) -> bytes:
    """A row as a JSON list."""
    return orjson.dumps([json_value(value) for value in row], option=_JSON)


def json_object(columns: Sequence[str], row: Sequence[Any]) -> str:
    """A row as a JSON object."""
    fields = {name: json_value(value) for name, value in zip(columns, row, strict=True)}
    return orjson.dumps(fields, option=_JSON).decode()


def exact(value: Any) -> str:
    """A value as text, with nothing left out; not None."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, dict | list | tuple):
        return orjson.dumps(json_value(value), option=_JSON).decode()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def json_value(value: Any) -> Any:
    """A value as orjson can write it: numbers as numbers where they fit, times in UTC."""
    match value:
        case Decimal():
            return float(value)
        case bool():
            return value
        case int():
            return value if value in _INT64 else str(value)
        case bytes():
            return value.hex()
        case timedelta():
            return value.total_seconds()
        case datetime() | date() | time() | str() | float() | None:
            return value
        case dict():
            fields = cast("dict[Any, Any]", value)
            return {str(key): json_value(item) for key, item in fields.items()}
        case list() | tuple():
            return [json_value(item) for item in cast("Sequence[Any]", value)]
        case _:
            return str(value)
