"""Ollama's endpoints beside its chat: what its clients ask before and around it."""

from __future__ import annotations

from typing import Final

import orjson
from sanic import HTTPResponse

from omniroute.base.version import __version__
from omniroute.errors import RequestError
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.respond import whole
from omniroute.http.edge.routes import Handle, Route, Surface
from omniroute.http.inference.models import listing, visible
from omniroute.request.body import parse_body
from omniroute.routing.resolve import Listed
from omniroute.worker.runtime import Runtime

FORMAT: Final = "ollama"


async def _tags(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return listing(runtime, asked, FORMAT)


async def _version(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return whole(200, {}, orjson.dumps({"version": __version__}))


async def _show(runtime: Runtime, asked: Asked) -> HTTPResponse:
    body = parse_body(asked.body)
    model = body.get("model") or body.get("name")
    if not isinstance(model, str):
        raise RequestError("invalid_request", "model is required", param="model")
    for row in visible(runtime, asked):
        if row.id == model:
            return whole(200, {}, orjson.dumps(_details(row, runtime)))
    raise RequestError("not_found", f"model '{model}' not found", param="model")


def _details(row: Listed, runtime: Runtime) -> dict[str, object]:
    capabilities = ["completion", *(row.capabilities or ())]
    info: dict[str, object] = {"general.architecture": row.owned_by}
    if row.context_window is not None:
        info[f"{row.owned_by}.context_length"] = row.context_window
    return {
        "modelfile": "",
        "parameters": "",
        "template": "",
        "details": {
            "parent_model": row.target or "",
            "format": "gateway",
            "family": row.owned_by,
            "families": [row.owned_by],
            "parameter_size": "",
            "quantization_level": "",
        },
        "model_info": info,
        "capabilities": capabilities,
        "modified_at": runtime.started.isoformat(),
    }


def _route(method: str, path: str, handle: Handle, surface: Surface, *, summary: str) -> Route:
    name = "ollama" + path.replace("/", "_")
    return Route(
        method=method, path=path, name=name, surface=surface, handle=handle, summary=summary
    )


ROUTES = (
    _route("GET", "/api/tags", _tags, Surface.INFERENCE, summary="Models as Ollama lists them"),
    _route("GET", "/api/version", _version, Surface.PUBLIC, summary="The gateway's version"),
    _route("POST", "/api/show", _show, Surface.INFERENCE, summary="One model as Ollama shows it"),
)
