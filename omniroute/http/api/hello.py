"""Whether somebody is there, for tools that ask before they begin; nobody needs a key for that."""

from __future__ import annotations

from msgspec import Struct

from omniroute.base.version import __version__
from omniroute.http.api.operation import operation
from omniroute.http.edge.routes import Surface
from omniroute.worker.runtime import Runtime


class Hello(Struct, frozen=True, kw_only=True):
    name: str
    version: str


async def _hello(runtime: Runtime) -> Hello:
    return Hello(name="OmniRoute", version=__version__)


ROUTES = tuple(
    operation(
        "GET",
        path,
        _hello,
        name=name,
        surface=Surface.PUBLIC,
        summary="Whether somebody is there, and who",
    )
    for path, name in (("/", "root"), ("/api/hello", "hello"))
)
