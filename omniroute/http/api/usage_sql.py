"""/api/usage/sql: any question to the usage data, as a SELECT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import UNSET, Struct, UnsetType

from omniroute.http.api.operation import ApiReply, Encoded, operation
from omniroute.http.edge.negotiation import preferred
from omniroute.http.edge.routes import Surface
from omniroute.ledger.question import Form
from omniroute.ledger.rendering import QueryTable
from omniroute.management import questions
from omniroute.management.questions import SqlQuestion
from omniroute.worker.runtime import Runtime

_TYPES: Final[Mapping[str, Form]] = {"application/json": "json", "text/csv": "csv"}


class AnswerForm(Struct, frozen=True):
    """`format` wins over the header `Accept`, which may name `text/csv`; else it is JSON."""

    format: Form | UnsetType = UNSET


async def _ask(
    runtime: Runtime, *, query: AnswerForm, body: SqlQuestion, accept: str | None
) -> ApiReply[Encoded[QueryTable]]:
    form = query.format or _TYPES[preferred(accept, tuple(_TYPES))]
    told = await questions.ask(runtime, body, form)
    (content_type,) = (name for name, of in _TYPES.items() if of == form)
    return ApiReply(
        value=Encoded(body=told.body, content_type=content_type),
        headers={
            "X-OmniRoute-Rows": str(told.rows),
            "X-OmniRoute-Truncated": "true" if told.truncated else "false",
        },
    )


ROUTES = (
    operation(
        "POST",
        "/api/usage/sql",
        _ask,
        name="usage_sql",
        surface=Surface.VIEWER,
        summary="Ask the usage data in SQL",
        refuses=(503, 504),
        other_types=tuple(_TYPES)[1:],
    ),
)
