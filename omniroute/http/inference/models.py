"""Lists of models: what a key may ask for, in the shape that the client's SDK reads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from urllib.parse import unquote

import orjson
from sanic import HTTPResponse

from omniroute.errors import RequestError
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.auth import client_ip_of, presented_key
from omniroute.http.edge.endpoints import models_format
from omniroute.http.edge.respond import whole
from omniroute.http.edge.routes import Route, Surface
from omniroute.routing.resolve import Listed, list_models
from omniroute.worker.runtime import Runtime

Shape = Callable[[Listed, datetime], dict[str, object]]


async def _list(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return listing(runtime, asked, models_format(asked.headers))


async def _one(runtime: Runtime, asked: Asked, path: str) -> HTTPResponse:
    return single(runtime, asked, models_format(asked.headers), path)


def listing(runtime: Runtime, asked: Asked, format: str) -> HTTPResponse:
    """Every model that the caller may ask for, as a client of `format` reads it."""
    rows = [SHAPES[format](row, runtime.started) for row in visible(runtime, asked)]
    return whole(200, {}, orjson.dumps(_WRAPPERS[format](rows)))


def single(runtime: Runtime, asked: Asked, format: str, model: str) -> HTTPResponse:
    """One model. Raises RequestError (404) when there is none that the caller may ask for.

    SDKs send a model's slash as %2F, which routing leaves as it is.
    """
    model = unquote(model)
    for row in visible(runtime, asked):
        if row.id == model:
            return whole(200, {}, orjson.dumps(SHAPES[format](row, runtime.started)))
    raise RequestError(
        "not_found", f'the model "{model}" does not exist', param="model", code="model_not_found"
    )


def visible(runtime: Runtime, asked: Asked) -> tuple[Listed, ...]:
    """What the caller's key may see. Raises RequestError when the caller is refused."""
    snapshot = runtime.snapshot
    caller = runtime.identify(presented_key(asked), client_ip_of(asked, snapshot))
    return list_models(snapshot.index, caller.key.models if caller.key is not None else ())


def _openai(row: Listed, since: datetime) -> dict[str, object]:
    body: dict[str, object] = {
        "id": row.id,
        "object": "model",
        "created": int(since.timestamp()),
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


def _anthropic(row: Listed, since: datetime) -> dict[str, object]:
    body: dict[str, object] = {
        "type": "model",
        "id": row.id,
        "display_name": row.id,
        "created_at": since.isoformat(),
    }
    if row.context_window is not None:
        body["max_input_tokens"] = row.context_window
    if row.max_output_tokens is not None:
        body["max_tokens"] = row.max_output_tokens
    return body


def _gemini(row: Listed, since: datetime) -> dict[str, object]:
    body: dict[str, object] = {
        "name": f"models/{row.id}",
        "displayName": row.id,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    }
    if row.context_window is not None:
        body["inputTokenLimit"] = row.context_window
    if row.max_output_tokens is not None:
        body["outputTokenLimit"] = row.max_output_tokens
    return body


def _ollama(row: Listed, since: datetime) -> dict[str, object]:
    digest = hashlib.sha256(row.id.encode()).hexdigest()
    return {
        "name": row.id,
        "model": row.id,
        "modified_at": since.isoformat(),
        "size": 0,
        "digest": digest,
        "details": {
            "parent_model": row.target or "",
            "format": "gateway",
            "family": row.owned_by,
            "families": [row.owned_by],
            "parameter_size": "",
            "quantization_level": "",
        },
    }


SHAPES: Final[Mapping[str, Shape]] = {
    "openai-chat": _openai,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "ollama": _ollama,
}
"""A model as a client of each format reads it."""

Rows = list[dict[str, object]]
_WRAPPERS: Final[Mapping[str, Callable[[Rows], dict[str, object]]]] = {
    "openai-chat": lambda rows: {"object": "list", "data": rows},
    "anthropic": lambda rows: {
        "data": rows,
        "has_more": False,
        "first_id": rows[0]["id"] if rows else None,
        "last_id": rows[-1]["id"] if rows else None,
    },
    "gemini": lambda rows: {"models": rows},
    "ollama": lambda rows: {"models": rows},
}

ROUTES = (
    Route(
        method="GET",
        path="/v1/models",
        name="models",
        summary="Models that the key may use",
        surface=Surface.INFERENCE,
        handle=_list,
    ),
    Route(
        method="GET",
        path="/v1/models/<path:path>",
        name="model",
        summary="One model",
        surface=Surface.INFERENCE,
        handle=_one,
    ),
)
