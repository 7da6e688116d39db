"""The usage data of a running server, over HTTP: for those who have a key and not its folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import click
import httpx
import msgspec

from omniroute.base.secret import Secret
from omniroute.cli.reading import sink
from omniroute.cli.tabular import TextFormat, print_table, render_rows
from omniroute.errors import LedgerError, UsageError
from omniroute.ledger.rendering import QueryTable

_ANSWER_S: Final = 30.0  # a server gives a query ten seconds
_decode = msgspec.json.Decoder(QueryTable, float_hook=Decimal).decode


class _Refusal(msgspec.Struct):
    message: str


class _Refused(msgspec.Struct):
    error: _Refusal


def read_key(reference: str | None, *, default_env: str) -> Secret | None:
    """The key that `env:NAME` or `file:PATH` refers to, else that variable's, else none.

    Raises UsageError, which tells no value.
    """
    if reference is None:
        found = os.environ.get(default_env)
        return Secret(found) if found else None
    kind, _, where = reference.partition(":")
    if kind == "env" and where:
        if where not in os.environ:
            raise UsageError(f"there is no variable {where}")
        return Secret(os.environ[where])
    if kind == "file" and where:
        try:
            return Secret(Path(where).read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as exc:
            raise UsageError(f"cannot read the key from {where}") from exc
    raise UsageError("a key is given as env:NAME or file:PATH, never itself: others could read it")


def write_remote(
    url: str, key: Secret | None, statement: str, form: TextFormat, output: str | None
) -> None:
    """The answer to one SELECT, to a file or to standard output. Raises LedgerError, UsageError."""
    table = _ask(url, key, statement)
    if table.truncated:
        click.echo(f"note: only the first {table.row_count} rows", err=True)
    columns = [column.name for column in table.columns]
    types = [column.type for column in table.columns]
    rows = _values(types, table.rows)
    if form == "table" and output is None and sys.stdout.isatty():
        from rich.console import Console

        print_table(Console(), columns, types, rows)
        return
    with sink(output) as file:
        for piece in render_rows(columns, types, rows, form):
            file.write(piece.encode())


def _ask(url: str, key: Secret | None, statement: str) -> QueryTable:
    headers = {} if key is None else {"authorization": f"Bearer {key.reveal()}"}
    try:
        reply = httpx.post(
            f"{url.rstrip('/')}/api/usage/sql",
            json={"sql": statement},
            headers=headers,
            timeout=_ANSWER_S,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise LedgerError(f"cannot ask {url}: {exc or type(exc).__name__}") from exc
    try:
        if reply.is_success:
            return _decode(reply.content)
        said = msgspec.json.decode(reply.content, type=_Refused).error.message
    except msgspec.DecodeError:
        said = "what answers there is no OmniRoute"
    raise LedgerError(f"{url} answered {reply.status_code}: {said}")


def _values(types: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[list[Any]]:
    """As DuckDB has them: measured numbers as floats, money exact."""
    measured = [type_ in ("DOUBLE", "FLOAT") for type_ in types]
    for row in rows:
        yield [
            float(value) if is_measured and isinstance(value, Decimal) else value
            for value, is_measured in zip(row, measured, strict=True)
        ]
