"""Gemini's endpoints: the model and the action stand in the path, the framing in `alt`.

Google's SDK calls `/v1beta/…` and, by default, `/v1/…`; both are the same here.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

import orjson
from sanic import HTTPResponse

from omniroute.errors import RequestError
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.auth import client_ip_of, presented_key
from omniroute.http.edge.routes import Handle, Route, Surface
from omniroute.http.inference.counting import counted
from omniroute.http.inference.generate import infer
from omniroute.http.inference.models import listing, single
from omniroute.request.inbound import Inbound
from omniroute.worker.runtime import Runtime

FORMAT: Final = "gemini"


async def _act(runtime: Runtime, asked: Asked, path: str) -> HTTPResponse | None:
    model, colon, action = path.rpartition(":")
    if not colon or not model:
        raise RequestError("not_found", "the path must end in a model, a colon and an action")
    streams = action == "streamGenerateContent"
    inbound = Inbound(
        request_id=asked.request_id,
        path=asked.path,
        format=FORMAT,
        body=asked.body,
        headers=asked.headers,
        key=presented_key(asked),
        client_ip=client_ip_of(asked, runtime.snapshot),
        model=unquote(model),
        stream=streams,
        stream_framing="json-array" if streams and asked.query("alt") != "sse" else None,
    )
    match action:
        case "generateContent" | "streamGenerateContent":
            return await infer(runtime, asked, inbound)
        case "countTokens":
            return await counted(runtime, inbound, _total)
        case _:
            raise RequestError("not_found", f'there is no action "{action}" for models')


def _total(tokens: int) -> bytes:
    return orjson.dumps({"totalTokens": tokens})


async def _list(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return listing(runtime, asked, FORMAT)


async def _one(runtime: Runtime, asked: Asked, path: str) -> HTTPResponse:
    return single(runtime, asked, FORMAT, path)


def _route(method: str, path: str, name: str, handle: Handle, *, summary: str) -> Route:
    return Route(
        method=method,
        path=path,
        name=name,
        surface=Surface.INFERENCE,
        handle=handle,
        summary=summary,
    )


ROUTES = (
    _route("GET", "/v1beta/models", "gemini_models", _list, summary="Models as Gemini lists them"),
    _route(
        "GET",
        "/v1beta/models/<path:path>",
        "gemini_model",
        _one,
        summary="One model as Gemini shows it",
    ),
    _route(
        "POST",
        "/v1beta/models/<path:path>",
        "gemini_act",
        _act,
        summary="Gemini: generate, stream or count tokens",
    ),
    _route(
        "POST",
        "/v1/models/<path:path>",
        "gemini_act_v1",
        _act,
        summary="Gemini: generate, stream or count tokens",
    ),
)
