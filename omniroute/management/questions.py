"""Questions in SQL to the usage data, by people who may read all of it."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from omniroute.ledger.question import Form, Limits
from omniroute.ledger.reader import Told
from omniroute.worker.runtime import Runtime

MOST: Final = Limits()


class SqlQuestion(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One SELECT over the documented views; FROM, WITH, DESCRIBE and SUMMARIZE work too."""

    sql: Annotated[str, Meta(max_length=100_000)]
    max_rows: Annotated[int, Meta(ge=1, le=MOST.rows)] = MOST.rows
    timeout_ms: Annotated[int, Meta(ge=1, le=int(MOST.seconds * 1000))] = int(MOST.seconds * 1000)


async def ask(runtime: Runtime, question: SqlQuestion, form: Form) -> Told:
    """The rows, in a process that can read nothing else. Raises RequestError."""
    limits = Limits(rows=question.max_rows, seconds=question.timeout_ms / 1000)
    return await runtime.questions.ask(question.sql, form=form, limits=limits)
