"""Kept responses: read and forget what `previous_response_id` may name."""

from __future__ import annotations

import orjson
from sanic import HTTPResponse

from omniroute.answers.continued import KeptAnswer, find
from omniroute.errors import RequestError
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.auth import client_ip_of, presented_key
from omniroute.http.edge.respond import whole
from omniroute.http.edge.routes import Route, Surface
from omniroute.state.kept import drop_response
from omniroute.worker.runtime import Runtime


async def _get(runtime: Runtime, asked: Asked, id: str) -> HTTPResponse:
    _key, kept = await _find(runtime, asked, id)
    return whole(200, {}, bytes(kept.answer))


async def _delete(runtime: Runtime, asked: Asked, id: str) -> HTTPResponse:
    key_id, _kept = await _find(runtime, asked, id)
    await drop_response(runtime.store, key_id, id)
    body = {"id": id, "object": "response", "deleted": True}
    return whole(200, {}, orjson.dumps(body))


async def _find(runtime: Runtime, asked: Asked, identity: str) -> tuple[str | None, KeptAnswer]:
    """The caller's key and its response. Raises RequestError when it has no such response."""
    caller = runtime.identify(presented_key(asked), client_ip_of(asked, runtime.snapshot))
    now_s = runtime.clock.now().timestamp()
    kept = await find(runtime.store, caller.key_id, identity, now_s)
    if kept is None:
        raise RequestError(
            "not_found", f"no response {identity!r} is kept for this key", param="response_id"
        )
    return caller.key_id, kept


ROUTES = (
    Route(
        method="GET",
        path="/v1/responses/<id:str>",
        name="response",
        summary="A kept response",
        surface=Surface.INFERENCE,
        handle=_get,
    ),
    Route(
        method="DELETE",
        path="/v1/responses/<id:str>",
        name="forget_response",
        summary="Forget a kept response",
        surface=Surface.INFERENCE,
        handle=_delete,
    ),
)
