"""Kept responses: read and forget what a later request may go on from."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from sanic import HTTPResponse

from omniroute.answers.continued import KeptAnswer, find
from omniroute.errors import RequestError
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.auth import client_ip_of, presented_key
from omniroute.http.edge.respond import whole
from omniroute.state.kept import drop_response
from omniroute.translation.values import Endpoint
from omniroute.worker.runtime import Runtime


async def kept(
    runtime: Runtime, asked: Asked, endpoint: Endpoint, places: Mapping[str, str]
) -> HTTPResponse:
    """The response as it was given. Raises RequestError when the caller has no such response."""
    _key, answer = await _find(runtime, asked, places["id"])
    return whole(200, {}, bytes(answer.answer))


async def forget(
    runtime: Runtime, asked: Asked, endpoint: Endpoint, places: Mapping[str, str]
) -> HTTPResponse:
    """Forget it. Raises RequestError as `kept` does."""
    client = runtime.snapshot.formats.client(endpoint.format)
    key_id, _answer = await _find(runtime, asked, places["id"])
    await drop_response(runtime.store, key_id, places["id"])
    return whole(200, {}, orjson.dumps(client.answer("forgotten", {"id": places["id"]})))


async def _find(runtime: Runtime, asked: Asked, identity: str) -> tuple[str | None, KeptAnswer]:
    """The caller's key and its response. Raises RequestError when it has no such response."""
    snapshot = runtime.snapshot
    caller = runtime.identify(presented_key(asked, snapshot), client_ip_of(asked, snapshot))
    now_s = runtime.clock.now().timestamp()
    found = await find(runtime.store, caller.key_id, identity, now_s)
    if found is None:
        raise RequestError(
            "not_found", f"no response {identity!r} is kept for this key", param="response_id"
        )
    return caller.key_id, found
