"""The process that answers questions to the ledger, one after the other: `python -m` this module.

What a question may take of the machine is bounded by the kernel here, since DuckDB's own limits
leave out what a function builds in one piece. Whoever asks ends this process when it takes too
long, and it ends by itself when nobody asks any more.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from omniroute.errors import RequestError
from omniroute.ledger.process import answer, next_question
from omniroute.ledger.question import TOO_MUCH_MEMORY, CellFailure, CellHead, CellQuestion, Form
from omniroute.ledger.rendering import Column, QueryTable, csv_lines, json_row
from omniroute.ledger.sandbox import Answer, open_answer

ADDRESS_BYTES: Final = 768 << 20
"""Python and DuckDB take 190 MB of addresses; the rest is what an answer may fill."""
MAX_BYTES: Final = 16 << 20
"""Of one answer. Rows beyond it are cut off, and that is told."""
IDLE_S: Final = 60.0
_FILES: Final = 64
_CPU_SLACK_S: Final = 5
_NICE: Final = 5  # requests come first


def main() -> int:
    """Answer until standard input ends, or nothing is asked for a while."""
    _bound(resource.RLIMIT_AS, ADDRESS_BYTES)
    _bound(resource.RLIMIT_FSIZE, 0)
    _bound(resource.RLIMIT_NOFILE, _FILES)
    _bound(resource.RLIMIT_CORE, 0)
    os.nice(_NICE)
    decode = msgspec.json.Decoder(CellQuestion).decode
    while line := next_question(sys.stdin.buffer, idle_s=IDLE_S):
        head, body = _told(decode(line))
        answer(sys.stdout.buffer, head, body)
        if head.failure is not None and head.failure.message == TOO_MUCH_MEMORY:
            break  # what is left of it would be in the way of the next one
    return 0


def _told(question: CellQuestion) -> tuple[CellHead, bytes]:
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    used_s = math.ceil(time.process_time() + question.limits.seconds)
    _bound(resource.RLIMIT_CPU, used_s + _CPU_SLACK_S, most)
    try:
        with open_answer(
            Path(question.data_dir),
            question.sql,
            question.limits,
        ) as found:
            return _RENDER[question.form](found)
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
