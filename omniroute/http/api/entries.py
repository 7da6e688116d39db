"""The five routes of entries that have a name: all, one, and making, changing and removing one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, get_type_hints
from urllib.parse import unquote

from msgspec import Struct

from omniroute.http.api.done import Done
from omniroute.http.api.operation import ApiReply, operation
from omniroute.http.edge.routes import Route, Surface
from omniroute.management import entries
from omniroute.management.entries import Resource
from omniroute.management.writeback import REFUSES, Author
from omniroute.worker.runtime import Runtime

Edit = Callable[..., Coroutine[Any, Any, Any]]


class Edits(Struct, frozen=True, kw_only=True):
    """What is done to entries. The annotations say what the API takes and answers: `wanted` of
    `add` and of `change` are bodies."""

    noun: str
    show_all: Callable[[Runtime], Any]
    show: Callable[[Runtime, str], Any]
    add: Edit
    change: Edit
    remove: Edit


def edits_of(of: Resource[Any, Any, Any], *, add: Edit | None = None) -> Edits:
    """Those of a resource; `add` stands in the place of its own where making one is more."""

    async def add_one(runtime: Runtime, wanted: Any, *, author: Author) -> Any:
        return await entries.add(runtime, of, wanted, author=author)

    async def change(runtime: Runtime, id: str, wanted: Any, *, author: Author) -> Any:
        return await entries.change(runtime, of, id, wanted, author=author)

    async def remove(runtime: Runtime, id: str, *, author: Author) -> None:
        await entries.remove(runtime, of, id, author=author)

    shown = get_type_hints(of.show)["return"]
    add_one.__annotations__ |= {"wanted": get_type_hints(of.made)["wanted"], "return": shown}
    change.__annotations__ |= {"wanted": get_type_hints(of.revised)["wanted"], "return": shown}
    return Edits(
        noun=of.noun,
        show_all=of.show_all,
        show=of.show,
        add=add or add_one,
        change=change,
        remove=remove,
    )


def entry_routes(path: str, of: Edits) -> tuple[Route, ...]:
    """`path` and `path/[id]`."""

    async def show_all(runtime: Runtime) -> ApiReply[Any]:
        return ApiReply(value=of.show_all(runtime), digest=runtime.snapshot.digest)

    async def add(runtime: Runtime, *, body: Any, author: Author) -> ApiReply[Any]:
        made = await of.add(runtime, body, author=author)
        return ApiReply(value=made, status=201, digest=runtime.snapshot.digest)

    async def show(runtime: Runtime, *, id: str) -> ApiReply[Any]:
        return ApiReply(value=of.show(runtime, unquote(id)), digest=runtime.snapshot.digest)

    async def change(runtime: Runtime, *, id: str, body: Any, author: Author) -> ApiReply[Any]:
        changed = await of.change(runtime, unquote(id), body, author=author)
        return ApiReply(value=changed, digest=runtime.snapshot.digest)

    async def remove(runtime: Runtime, *, id: str, author: Author) -> ApiReply[Done]:
        await of.remove(runtime, unquote(id), author=author)
        return ApiReply(value=Done(), digest=runtime.snapshot.digest)

    def types(edit: Callable[..., Any]) -> dict[str, Any]:
        hints = get_type_hints(edit)
        body = {"body": hints["wanted"]} if "wanted" in hints else {}
        return {**body, "return": hints["return"]}

    name, one = of.noun.replace(" ", "_"), f"{path}/<id:str>"
    return (
        operation(
            "GET", path, show_all, types=types(of.show_all),
            name=f"{name}s", surface=Surface.VIEWER, summary=f"Every {of.noun}", etag=True,
        ),
        operation(
            "POST", path, add, types=types(of.add),
            name=f"{name}_add", surface=Surface.ADMIN, summary=f"Declare a {of.noun}",
            statuses=(201,), refuses=(404, *REFUSES), etag=True,
        ),
        operation(
            "GET", one, show, types=types(of.show),
            name=name, surface=Surface.VIEWER, summary=f"One {of.noun}", refuses=(404,), etag=True,
        ),
        *(
            operation(
                method, one, change, types=types(of.change),
                name=f"{name}_{verb}", surface=Surface.ADMIN, summary=f"Change a {of.noun}",
                refuses=(404, *REFUSES), etag=True,
            )
            for method, verb in (("PUT", "change"), ("PATCH", "patch"))
        ),
        operation(
            "DELETE", one, remove,
            name=f"{name}_remove", surface=Surface.ADMIN, summary=f"Take a {of.noun} away",
            refuses=(404, *REFUSES), etag=True,
        ),
    )  # fmt: skip
