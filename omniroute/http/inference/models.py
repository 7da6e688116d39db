"""Lists of models: what a key may ask for, in the shape that the format's table gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sanic import HTTPResponse

from omniroute.config.names import LATEST
from omniroute.errors import RequestError
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.auth import client_ip_of, presented_key
from omniroute.http.edge.respond import whole
from omniroute.request.body import parse_body
from omniroute.routing.resolve import Listed, list_models
from omniroute.translation.values import ClientFormat, Endpoint
from omniroute.worker.runtime import Runtime


async def listing(
    runtime: Runtime, asked: Asked, endpoint: Endpoint, places: Mapping[str, str]
) -> HTTPResponse:
    """Every model that the caller may ask for; of one kind, where the path is of that kind."""
    client = runtime.snapshot.formats.client(endpoint.format)
    rows = [
        client.answer("model", _node(row, runtime))
        for row in _visible(runtime, asked)
        if endpoint.kind in (None, row.kind)
    ]
    return whole(200, {}, orjson.dumps(client.answer("models", {"models": rows})))


async def single(
    runtime: Runtime, asked: Asked, endpoint: Endpoint, places: Mapping[str, str]
) -> HTTPResponse:
    """One model. Raises RequestError (404) when there is none that the caller may ask for."""
    return _shown(runtime, asked, endpoint, "model", places["model"])


async def details(
    runtime: Runtime, asked: Asked, endpoint: Endpoint, places: Mapping[str, str]
) -> HTTPResponse:
    """One model that a body names. Raises RequestError as `single` does, and for no name (400)."""
    snapshot = runtime.snapshot
    client = snapshot.formats.client(endpoint.format)
    model = client.details_of(parse_body(asked.body, snapshot.config.server.limits))
    if model is None:
        raise RequestError("invalid_request", "model is required", param="model")
    return _shown(runtime, asked, endpoint, "details", model)


def _shown(
    runtime: Runtime, asked: Asked, endpoint: Endpoint, answer: str, model: str
) -> HTTPResponse:
    client = runtime.snapshot.formats.client(endpoint.format)
    rows = {row.id: row for row in _visible(runtime, asked)}
    row = rows.get(model) or rows.get(model.removesuffix(LATEST))
    if row is None:
        raise _unknown(client, model)
    return whole(200, {}, orjson.dumps(client.answer(answer, _node(row, runtime))))


def _unknown(client: ClientFormat, model: str) -> RequestError:
    message = client.unknown_model.replace("{model}", model)
    return RequestError("not_found", message, param="model", code="model_not_found")


def _visible(runtime: Runtime, asked: Asked) -> tuple[Listed, ...]:
    """What the caller's key may see. Raises RequestError when the caller is refused."""
    snapshot = runtime.snapshot
    caller = runtime.identify(presented_key(asked, snapshot), client_ip_of(asked, snapshot))
    return list_models(snapshot.index, caller.key.models if caller.key is not None else ())


def _node(row: Listed, runtime: Runtime) -> dict[str, Any]:
    """A model as tables see it; what is not known is null."""
    can = row.capabilities
    return {
        "id": row.id,
        "kind": row.kind,
        "owned_by": row.owned_by,
        "target": row.target,
        "context_window": row.context_window,
        "max_output_tokens": row.max_output_tokens,
        "capabilities": None if can is None else dict.fromkeys(can, True),
        "since": runtime.started.isoformat(),
        "since_s": int(runtime.started.timestamp()),
    }
