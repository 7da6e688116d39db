"""The five routes of entries that have a name: all, one, and making, changing and removing one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, get_type_hints
from urllib.parse import unquote

from omniroute.http.api.done import Done
from omniroute.http.api.operation import ApiReply, operation
from omniroute.http.edge.routes import Route, Surface
from omniroute.management import entries
from omniroute.management.entries import Resource
from omniroute.management.writeback import REFUSES, Author
from omniroute.worker.runtime import Runtime

Add = Callable[..., Coroutine[Any, Any, Any]]


def entry_routes(
    path: str, of: Resource[Any, Any, Any], *, add: Add | None = None
) -> tuple[Route, ...]:
    """`path` and `path/[id]`. `add` is what makes one where that is more than an entry: its
    `wanted` is the body, and what it returns the answer."""

    async def show_all(runtime: Runtime) -> ApiReply[Any]:
        return ApiReply(value=of.show_all(runtime), digest=runtime.snapshot.digest)

    async def make(runtime: Runtime, *, body: Any, author: Author) -> ApiReply[Any]:
        made = await (
            entries.add(runtime, of, body, author=author)
            if add is None
            else add(runtime, body, author=author)
        )
        return ApiReply(value=made, status=201, digest=runtime.snapshot.digest)

    async def show(runtime: Runtime, *, id: str) -> ApiReply[Any]:
        return ApiReply(value=of.show(runtime, unquote(id)), digest=runtime.snapshot.digest)

    async def change(runtime: Runtime, *, id: str, body: Any, author: Author) -> ApiReply[Any]:
        changed = await entries.change(runtime, of, unquote(id), body, author=author)
        return ApiReply(value=changed, digest=runtime.snapshot.digest)

    async def remove(runtime: Runtime, *, id: str, author: Author) -> ApiReply[Done]:
        await entries.remove(runtime, of, unquote(id), author=author)
        return ApiReply(value=Done(), digest=runtime.snapshot.digest)

    shown, made = get_type_hints(of.show)["return"], get_type_hints(add or of.made)
    name, one = of.noun.replace(" ", "_"), f"{path}/<id:str>"
    return (
        operation(
            "GET", path, show_all,
            types={"return": get_type_hints(of.show_all)["return"]},
            name=f"{name}s", surface=Surface.VIEWER, summary=f"Every {of.noun}", etag=True,
        ),
        operation(
            "POST", path, make,
            types={"body": made["wanted"], "return": shown if add is None else made["return"]},
            name=f"{name}_add", surface=Surface.ADMIN, summary=f"Declare a {of.noun}",
            statuses=(201,), refuses=REFUSES, etag=True,
        ),
        operation(
            "GET", one, show,
            types={"return": shown},
            name=name, surface=Surface.VIEWER, summary=f"One {of.noun}", refuses=(404,), etag=True,
        ),
        operation(
            "PUT", one, change,
            types={"body": get_type_hints(of.revised)["change"], "return": shown},
            name=f"{name}_change", surface=Surface.ADMIN, summary=f"Change a {of.noun}",
            refuses=(404, *REFUSES), etag=True,
        ),
        operation(
            "DELETE", one, remove,
            name=f"{name}_remove", surface=Surface.ADMIN, summary=f"Take a {of.noun} away",
            refuses=(404, *REFUSES), etag=True,
        ),
    )  # fmt: skip
