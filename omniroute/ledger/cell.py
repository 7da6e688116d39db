"""The process that answers questions to the ledger, one after the other: `python -m` this module.

A line on standard input is a question; a line on standard output says how it went, and as many
bytes as it says follow. What a question may take of the machine is bounded by the kernel here,
since DuckDB's own limits leave out what a function builds in one piece. Whoever asks ends this
process when it takes too long, and it ends by itself when nobody asks any more.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import select
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, cast

import msgspec
from msgspec import Struct

from omniroute.errors import Kind, RequestError
from omniroute.ledger.rendering import Column, QueryTable, csv_lines, json_row
from omniroute.ledger.sandbox import TOO_MUCH_MEMORY, Answer, Limits, open_answer

Form = Literal["json", "csv"]

ADDRESS_BYTES: Final = 768 << 20
"""Python and DuckDB take 190 MB of addresses; the rest is what an answer may fill."""
MAX_BYTES: Final = 16 << 20
"""Of one answer. Rows beyond it are cut off, and that is told."""
IDLE_S: Final = 60.0
_FILES: Final = 64
_CPU_SLACK_S: Final = 5
_NICE: Final = 5  # requests come first


class CellQuestion(Struct, frozen=True, kw_only=True):
    """What is asked."""

    data_dir: str
    sql: str
    form: Form = "json"
    limits: Limits = Limits()


class CellFailure(Struct, frozen=True, kw_only=True):
    """A RequestError on its way to the process that asked."""

    kind: Kind
    message: str
    param: str | None
    retry_after_s: float | None


class CellHead(Struct, frozen=True, kw_only=True):
    """How it went. `size` bytes of the answer follow; `rows` are in it."""

    size: int = 0
    rows: int = 0
    truncated: bool = False
    failure: CellFailure | None = None


def main() -> int:
    """Answer until standard input ends, or nothing is asked for a while."""
    _bound(resource.RLIMIT_AS, ADDRESS_BYTES)
    _bound(resource.RLIMIT_FSIZE, 0)
    _bound(resource.RLIMIT_NOFILE, _FILES)
    _bound(resource.RLIMIT_CORE, 0)
    os.nice(_NICE)
    decode = msgspec.json.Decoder(CellQuestion).decode
    while line := _next_line(sys.stdin.buffer):
        head, body = _told(decode(line))
        sys.stdout.buffer.write(msgspec.json.encode(head) + b"\n" + body)
        sys.stdout.buffer.flush()
        if head.failure is not None and head.failure.message == TOO_MUCH_MEMORY:
            break  # what is left of it would be in the way of the next one
    return 0


def _next_line(source: BinaryIO) -> bytes:
    """Empty when there is none to come. Who asks waits for the answer, so none is in the buffer."""
    readable, _, _ = select.select([source], [], [], IDLE_S)
    return source.readline() if readable else b""


def _told(question: CellQuestion) -> tuple[CellHead, bytes]:
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    used_s = math.ceil(time.process_time() + question.limits.seconds)
    _bound(resource.RLIMIT_CPU, used_s + _CPU_SLACK_S, most)
    try:
        with open_answer(
            Path(question.data_dir),
            question.sql,
            question.limits,
        ) as answer:
            return _RENDER[question.form](answer)
    except RequestError as error:
        refusal = error
    except MemoryError:
        refusal = RequestError("invalid_request", TOO_MUCH_MEMORY, param="sql")
    failure = CellFailure(
        kind=refusal.kind,
        message=refusal.message,
        param=refusal.param,
        retry_after_s=refusal.retry_after_s,
    )
    return CellHead(failure=failure), b""


def _as_csv(answer: Answer) -> tuple[CellHead, bytes]:
    lines = (line.encode() for line in csv_lines(answer.columns, answer.rows()))
    kept = _within_bounds(lines, answer)
    body = b"".join(kept)
    return CellHead(size=len(body), rows=max(len(kept) - 1, 0), truncated=answer.truncated), body


def _as_json(answer: Answer) -> tuple[CellHead, bytes]:
    kept = _within_bounds(map(json_row, answer.rows()), answer)
    table = QueryTable(
        columns=[
            Column(name=name, type=type_)
            for name, type_ in zip(answer.columns, answer.types, strict=True)
        ],
        rows=cast("list[list[Any]]", list(map(msgspec.Raw, kept))),  # encoded already
        row_count=len(kept),
        truncated=answer.truncated,
        elapsed_ms=round(answer.elapsed_ms, 3),
    )
    body = msgspec.json.encode(table)
    return CellHead(size=len(body), rows=len(kept), truncated=answer.truncated), body


def _within_bounds(pieces: Iterable[bytes], answer: Answer) -> list[bytes]:
    """As many of them, from the first, as an answer may hold."""
    kept: list[bytes] = []
    room = MAX_BYTES
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            answer.truncated = True
            break
        kept.append(piece)
    return kept


def _bound(what: int, most: int, hard: int | None = None) -> None:
    """Some systems know a limit and do not let it be set."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(what, (most, most if hard is None else hard))


_RENDER: Final[Mapping[Form, Callable[[Answer], tuple[CellHead, bytes]]]] = {
    "json": _as_json,
    "csv": _as_csv,
}

if __name__ == "__main__":
    sys.exit(main())
