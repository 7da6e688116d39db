"""/api/keys: API keys, made, changed and revoked by edits of the file."""

from __future__ import annotations

from urllib.parse import unquote

from omniroute.http.api.done import Done
from omniroute.http.api.operation import ApiReply, operation
from omniroute.http.edge.routes import Surface
from omniroute.management import keys
from omniroute.management.keys import KeyChange, KeyReport, Keys, MadeKey, NewKey
from omniroute.management.writeback import REFUSES, Author
from omniroute.worker.runtime import Runtime


async def _keys(runtime: Runtime) -> ApiReply[Keys]:
    return ApiReply(value=keys.keys(runtime), digest=runtime.snapshot.digest)


async def _add(runtime: Runtime, *, body: NewKey, author: Author) -> ApiReply[MadeKey]:
    made = await keys.add_key(runtime, body, author=author)
    return ApiReply(value=made, status=201, digest=runtime.snapshot.digest)


async def _key(runtime: Runtime, *, id: str) -> ApiReply[KeyReport]:
    return ApiReply(value=keys.key(runtime, unquote(id)), digest=runtime.snapshot.digest)


async def _change(
    runtime: Runtime, *, id: str, body: KeyChange, author: Author
) -> ApiReply[KeyReport]:
    changed = await keys.change_key(runtime, unquote(id), body, author=author)
    return ApiReply(value=changed, digest=runtime.snapshot.digest)


async def _remove(runtime: Runtime, *, id: str, author: Author) -> ApiReply[Done]:
    await keys.remove_key(runtime, unquote(id), author=author)
    return ApiReply(value=Done(), digest=runtime.snapshot.digest)


ROUTES = (
    operation(
        "GET", "/api/keys", _keys,
        name="keys", surface=Surface.VIEWER, summary="API keys", etag=True,
    ),
    operation(
        "POST", "/api/keys", _add,
        name="key_add", surface=Surface.ADMIN, summary="Make a key, which is told once",
        statuses=(201,), refuses=REFUSES, etag=True,
    ),
    operation(
        "GET", "/api/keys/<id:str>", _key,
        name="key", surface=Surface.VIEWER, summary="One API key", refuses=(404,), etag=True,
    ),
    operation(
        "PUT", "/api/keys/<id:str>", _change,
        name="key_change", surface=Surface.ADMIN, summary="Change a key",
        refuses=(404, *REFUSES), etag=True,
    ),
    operation(
        "DELETE", "/api/keys/<id:str>", _remove,
        name="key_remove", surface=Surface.ADMIN, summary="Revoke a key for good",
        refuses=(404, *REFUSES), etag=True,
    ),
)  # fmt: skip
