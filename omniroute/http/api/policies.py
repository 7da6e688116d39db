"""/api/policies: the rules, in the order in which they decide, declared by edits of the file."""

from __future__ import annotations

from msgspec import Struct

from omniroute.http.api.done import Done
from omniroute.http.api.operation import ApiReply, operation
from omniroute.http.edge.routes import Surface
from omniroute.management import entries
from omniroute.management.policies import (
    POLICIES,
    NewPolicy,
    Policies,
    PolicyChange,
    PolicyReport,
    policies,
)
from omniroute.management.writeback import REFUSES, Author
from omniroute.worker.runtime import Runtime


class WhichPolicy(Struct, frozen=True):
    """The policy that is to go."""

    id: str


async def _policies(runtime: Runtime) -> ApiReply[Policies]:
    return ApiReply(value=policies(runtime), digest=runtime.snapshot.digest)


async def _add(runtime: Runtime, *, body: NewPolicy, author: Author) -> ApiReply[PolicyReport]:
    made = await entries.add(runtime, POLICIES, body, author=author)
    return ApiReply(value=made, status=201, digest=runtime.snapshot.digest)


async def _change(
    runtime: Runtime, *, body: PolicyChange, author: Author
) -> ApiReply[PolicyReport]:
    changed = await entries.change(runtime, POLICIES, body.id, body, author=author)
    return ApiReply(value=changed, digest=runtime.snapshot.digest)


async def _remove(runtime: Runtime, *, query: WhichPolicy, author: Author) -> ApiReply[Done]:
    await entries.remove(runtime, POLICIES, query.id, author=author)
    return ApiReply(value=Done(), digest=runtime.snapshot.digest)


ROUTES = (
    operation(
        "GET", "/api/policies", _policies,
        name="policies", surface=Surface.VIEWER,
        summary="Policies in the order in which they decide", etag=True,
    ),
    operation(
        "POST", "/api/policies", _add,
        name="policy_add", surface=Surface.ADMIN, summary="Declare a policy behind all others",
        statuses=(201,), refuses=REFUSES, etag=True,
    ),
    operation(
        "PUT", "/api/policies", _change,
        name="policy_change", surface=Surface.ADMIN, summary="Change a policy",
        refuses=(404, *REFUSES), etag=True,
    ),
    operation(
        "DELETE", "/api/policies", _remove,
        name="policy_remove", surface=Surface.ADMIN, summary="Take a policy away",
        refuses=(400, 404, *REFUSES), etag=True,
    ),
)  # fmt: skip
