"""/api/config/history, /diff and /rollback: what was in force, how it differs, and going back."""

from __future__ import annotations

import asyncio
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from omniroute.http.api.operation import ApiReply, operation
from omniroute.http.edge.routes import Surface
from omniroute.management import history
from omniroute.management.candidates import CandidateText
from omniroute.management.history import (
    FILES,
    ConfigDiff,
    ConfigHistory,
    RollbackTo,
    RolledBack,
)
from omniroute.management.writeback import REFUSES, Author
from omniroute.worker.runtime import Runtime


class HistoryPage(Struct, frozen=True):
    """`before` is the last `id` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    before: Annotated[int, Meta(ge=1)] | UnsetType = UNSET


class Between(Struct, frozen=True, rename={"from_": "from"}):
    """Digests that are kept, or `files`; what is served, and the files, where nothing is said."""

    from_: str | None = None
    to: str = FILES


async def _history(runtime: Runtime, *, query: HistoryPage) -> ConfigHistory:
    before = None if query.before is UNSET else query.before
    return await asyncio.to_thread(history.history, runtime, limit=query.limit, before=before)


async def _diff(runtime: Runtime, *, query: Between) -> ConfigDiff:
    old = query.from_ or runtime.snapshot.digest
    return await asyncio.to_thread(history.diff, runtime, old=old, new=query.to)


async def _diff_candidate(runtime: Runtime, *, body: CandidateText) -> ConfigDiff:
    return await asyncio.to_thread(history.diff_candidate, runtime, body)


async def _roll_back(runtime: Runtime, *, body: RollbackTo, author: Author) -> ApiReply[RolledBack]:
    done = await history.roll_back(runtime, body, author=author)
    return ApiReply(value=done, digest=runtime.snapshot.digest)


ROUTES = (
    operation(
        "GET", "/api/config/history", _history,
        name="config_history", surface=Surface.ADMIN,
        summary="Configurations that were in force, newest first", refuses=(400,),
    ),
    operation(
        "GET", "/api/config/diff", _diff,
        name="config_diff", surface=Surface.ADMIN,
        summary="What makes one configuration into another", refuses=(400, 404),
    ),
    operation(
        "POST", "/api/config/diff", _diff_candidate,
        name="config_diff_candidate", surface=Surface.ADMIN,
        summary="What a text would change of what is served", refuses=(404,),
    ),
    operation(
        "POST", "/api/config/rollback", _roll_back,
        name="config_rollback", surface=Surface.ADMIN,
        summary="Write the files as they were", refuses=(404, *REFUSES), etag=True,
    ),
)  # fmt: skip
