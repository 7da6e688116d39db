"""Lists of models: what a key may ask for, in the shape that the client's SDK reads."""

from __future__ import annotations

import orjson
from sanic import HTTPResponse

from omniroute.errors import RequestError
from omniroute.gateway.runtime import Runtime
from omniroute.http.asked import Asked
from omniroute.http.auth import client_ip_of, presented_key
from omniroute.http.respond import whole
from omniroute.http.routes import Route, Surface
from omniroute.routing.resolve import Listed, list_models


async def _list(runtime: Runtime, asked: Asked) -> HTTPResponse:
    rows = _visible(runtime, asked)
    body = {"object": "list", "data": [_openai(runtime, row) for row in rows]}
    return whole(200, {}, orjson.dumps(body))


async def _one(runtime: Runtime, asked: Asked, model: str) -> HTTPResponse:
    for row in _visible(runtime, asked):
        if row.id == model:
            return whole(200, {}, orjson.dumps(_openai(runtime, row)))
    raise RequestError(
        "not_found", f'the model "{model}" does not exist', param="model", code="model_not_found"
    )


def _visible(runtime: Runtime, asked: Asked) -> tuple[Listed, ...]:
    snapshot = runtime.snapshot
    caller = runtime.identify(presented_key(asked), client_ip_of(asked, snapshot))
    return list_models(snapshot.index, caller.key.models if caller.key is not None else ())


def _openai(runtime: Runtime, row: Listed) -> dict[str, object]:
    body: dict[str, object] = {
        "id": row.id,
        "object": "model",
        "created": int(runtime.started.timestamp()),
        "owned_by": row.owned_by,
        "kind": row.kind,
    }
    if row.target is not None:
        body["root"] = row.target
    if row.context_window is not None:
        body["context_length"] = row.context_window
    if row.max_output_tokens is not None:
        body["max_output_tokens"] = row.max_output_tokens
    if row.capabilities is not None:
        body["capabilities"] = dict.fromkeys(row.capabilities, True)
    return body


ROUTES = (
    Route(method="GET", path="/v1/models", name="models", surface=Surface.INFERENCE, handle=_list),
    Route(
        method="GET",
        path="/v1/models/<model:path>",
        name="model",
        surface=Surface.INFERENCE,
        handle=_one,
    ),
)
