"""/api/compliance/audit-log: who changed the configuration, newest first."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from omniroute.http.api.operation import operation
from omniroute.http.edge.routes import Surface
from omniroute.management import changes
from omniroute.management.changes import AuditRow
from omniroute.worker.runtime import Runtime


class Page(Struct, frozen=True, rename="camel"):
    """`before` is the last `id` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    before: Annotated[int, Meta(ge=1)] | UnsetType = UNSET


async def _newest(runtime: Runtime, *, query: Page) -> list[AuditRow]:
    before = None if query.before is UNSET else query.before
    return await changes.newest(runtime, limit=query.limit, before=before)


ROUTES = (
    operation(
        "GET",
        "/api/compliance/audit-log",
        _newest,
        name="audit_log",
        surface=Surface.ADMIN,
        summary="Who changed the configuration, newest first",
        refuses=(400,),
    ),
)
