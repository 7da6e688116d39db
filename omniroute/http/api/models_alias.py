"""/api/models/alias: other names of models, declared by edits of the file."""

from __future__ import annotations

from msgspec import Struct

from omniroute.http.api.done import Done
from omniroute.http.api.operation import ApiReply, operation
from omniroute.http.edge.routes import Surface
from omniroute.management import aliases
from omniroute.management.aliases import Alias, Aliases, AliasSet
from omniroute.management.writeback import REFUSES, Author
from omniroute.worker.runtime import Runtime


class WhichAlias(Struct, frozen=True, rename="camel"):
    """The alias that is to go."""

    alias: str


async def _aliases(runtime: Runtime) -> ApiReply[Aliases]:
    return ApiReply(value=aliases.aliases(runtime), digest=runtime.snapshot.digest)


async def _set(runtime: Runtime, *, body: Alias, author: Author) -> ApiReply[AliasSet]:
    made = await aliases.set_alias(runtime, body, author=author)
    return ApiReply(value=made, digest=runtime.snapshot.digest)


async def _remove(runtime: Runtime, *, query: WhichAlias, author: Author) -> ApiReply[Done]:
    await aliases.remove_alias(runtime, query.alias, author=author)
    return ApiReply(value=Done(), digest=runtime.snapshot.digest)


ROUTES = (
    operation(
        "GET", "/api/models/alias", _aliases,
        name="aliases", surface=Surface.VIEWER, summary="Other names of models", etag=True,
    ),
    *(
        operation(
            method, "/api/models/alias", _set,
            name=f"alias_{name}", surface=Surface.ADMIN, summary="Give a model another name",
            refuses=REFUSES, etag=True,
        )
        for method, name in (("PUT", "set"), ("POST", "add"))
    ),
    operation(
        "DELETE", "/api/models/alias", _remove,
        name="alias_remove", surface=Surface.ADMIN, summary="Take a name away",
        refuses=(400, 404, *REFUSES), etag=True,
    ),
)  # fmt: skip
