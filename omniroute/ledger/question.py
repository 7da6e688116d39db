"""A question to the ledger, what it may take, and how it went: what the asking process and the one
that answers (`cell`) tell each other."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from omniroute.errors import Kind, RequestError
from omniroute.ledger.process import ReplyHead

Form = Literal["json", "csv"]

TOO_MUCH_MEMORY: Final = "the query needs more memory than it may take"


class Limits(Struct, frozen=True, kw_only=True):
    """What one sandboxed query may take."""

    rows: int = 10_000
    seconds: float = 10.0
    memory: str = "256MB"
    threads: int = 1
    patience_s: float = 2.0
    """How long to wait for a drain that holds the file."""


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


class CellHead(ReplyHead, frozen=True, kw_only=True):
    """How it went. `rows` are in the bytes that follow."""

    rows: int = 0
    truncated: bool = False
    failure: CellFailure | None = None


def too_slow(seconds: float) -> RequestError:
    return RequestError("timeout", f"the query took longer than {seconds:g} s", param="sql")
