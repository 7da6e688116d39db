"""/api/combos: model names that stand for several targets, declared by edits of the file."""

from __future__ import annotations

from urllib.parse import unquote

from omniroute.http.api.done import Done
from omniroute.http.api.operation import ApiReply, operation
from omniroute.http.edge.routes import Surface
from omniroute.management import combos
from omniroute.management.combos import ComboChange, ComboReport, Combos, NewCombo
from omniroute.management.writeback import REFUSES, Author
from omniroute.worker.runtime import Runtime


async def _combos(runtime: Runtime) -> ApiReply[Combos]:
    return ApiReply(value=combos.combos(runtime), digest=runtime.snapshot.digest)


async def _add(runtime: Runtime, *, body: NewCombo, author: Author) -> ApiReply[ComboReport]:
    made = await combos.add_combo(runtime, body, author=author)
    return ApiReply(value=made, status=201, digest=runtime.snapshot.digest)


async def _combo(runtime: Runtime, *, id: str) -> ApiReply[ComboReport]:
    return ApiReply(value=combos.combo(runtime, unquote(id)), digest=runtime.snapshot.digest)


async def _change(
    runtime: Runtime, *, id: str, body: ComboChange, author: Author
) -> ApiReply[ComboReport]:
    changed = await combos.change_combo(runtime, unquote(id), body, author=author)
    return ApiReply(value=changed, digest=runtime.snapshot.digest)


async def _remove(runtime: Runtime, *, id: str, author: Author) -> ApiReply[Done]:
    await combos.remove_combo(runtime, unquote(id), author=author)
    return ApiReply(value=Done(), digest=runtime.snapshot.digest)


ROUTES = (
    operation(
        "GET", "/api/combos", _combos,
        name="combos", surface=Surface.VIEWER, summary="Combos", etag=True,
    ),
    operation(
        "POST", "/api/combos", _add,
        name="combo_add", surface=Surface.ADMIN, summary="Declare a combo",
        statuses=(201,), refuses=REFUSES, etag=True,
    ),
    operation(
        "GET", "/api/combos/<id:str>", _combo,
        name="combo", surface=Surface.VIEWER, summary="One combo", refuses=(404,), etag=True,
    ),
    operation(
        "PUT", "/api/combos/<id:str>", _change,
        name="combo_change", surface=Surface.ADMIN, summary="Change or rename a combo",
        refuses=(404, *REFUSES), etag=True,
    ),
    operation(
        "DELETE", "/api/combos/<id:str>", _remove,
        name="combo_remove", surface=Surface.ADMIN, summary="Take a combo away",
        refuses=(404, *REFUSES), etag=True,
    ),
)  # fmt: skip
