"""Requests that only load a model, for formats that have them. Nobody is asked for that here."""

from __future__ import annotations

from typing import Final

import orjson
from sanic import HTTPResponse

from omniroute.errors import RequestError, TranslationError
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.auth import client_ip_of, presented_key
from omniroute.http.edge.respond import whole
from omniroute.request.body import parse_body
from omniroute.routing.resolve import resolve
from omniroute.translation.values import Endpoint
from omniroute.worker.runtime import Runtime

MAX_BODY_BYTES: Final = 4096
"""Nothing to answer needs no more; longer bodies are not read here and once more later."""


def loaded(runtime: Runtime, asked: Asked, endpoint: Endpoint) -> HTTPResponse | None:
    """The answer to a client that loads or unloads a model; None for a request to answer.

    Raises RequestError when the caller is refused or may not use the model.
    """
    snapshot = runtime.snapshot
    client = snapshot.formats.client(endpoint.format, endpoint.kind or "chat")
    if client.loads_without is None or len(asked.body) > MAX_BODY_BYTES:
        return None
    try:
        body = parse_body(asked.body, snapshot.config.server.limits)
        client.check(body)
    except (RequestError, TranslationError):
        return None  # the pipeline says so, and writes it down
    model = body.get("model")
    if body.get(client.loads_without) or not isinstance(model, str) or not model:
        return None
    caller = runtime.identify(presented_key(asked, snapshot), client_ip_of(asked, snapshot))
    resolve(snapshot.index, model, caller.key.models if caller.key is not None else ())
    answer = client.answer("loaded", body, now_s=runtime.clock.now().timestamp())
    return whole(200, {}, orjson.dumps(answer))
