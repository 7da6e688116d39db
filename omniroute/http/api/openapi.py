"""The OpenAPI document, made from the table of routes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import orjson
from sanic import HTTPResponse

from omniroute.base.version import __version__
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.endpoints import MANAGEMENT, envelope_of
from omniroute.http.edge.respond import whole
from omniroute.http.edge.routes import Route, Surface
from omniroute.worker.runtime import Runtime

_PARAMETER: Final = re.compile(r"<(\w+):\w+>")
_BODIES: Final = frozenset({"POST", "PUT", "PATCH"})
_SCHEMES: Final[dict[str, dict[str, str]]] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "xApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "xGoogApiKey": {"type": "apiKey", "in": "header", "name": "x-goog-api-key"},
    "queryKey": {"type": "apiKey", "in": "query", "name": "key"},
}
_ERROR: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "details": {"type": "object"},
            },
        }
    },
}
_NOT_JSON: Final = {"/metrics": "text/plain"}


def described(table: Sequence[Route]) -> tuple[Route, ...]:
    """The table with one more route: the document of all of them, itself included."""

    async def handle(runtime: Runtime, asked: Asked) -> HTTPResponse:
        return whole(200, {}, body)

    own = Route(
        method="GET",
        path="/api/openapi.json",
        name="openapi",
        summary="This document",
        surface=Surface.VIEWER,
        handle=handle,
    )
    every = (*table, own)
    body = orjson.dumps(document(every))
    return every


def document(table: Sequence[Route]) -> dict[str, Any]:
    """OpenAPI 3.1. Bodies of client formats are their vendors' to describe."""
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        operations = paths.setdefault(_PARAMETER.sub(r"{\1}", route.path), {})
        operations[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "OmniRoute", "version": __version__},
        "paths": paths,
        "components": {"securitySchemes": _SCHEMES, "schemas": {"Error": _ERROR}},
    }


def _operation(route: Route) -> dict[str, Any]:
    management = envelope_of(route.path, {}) == MANAGEMENT
    content: dict[str, dict[str, Any]] = {_NOT_JSON.get(route.path, "application/json"): {}}
    error: dict[str, Any] = {"description": "An error in the envelope of the client's format"}
    if management:
        error = {
            "description": "An error",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.surface.value],
        "security": [{name: []} for name in _SCHEMES]
        if route.surface is not Surface.PUBLIC
        else [],
        "responses": {"200": {"description": "The answer", "content": content}, "default": error},
    }
    names = _PARAMETER.findall(route.path)
    if names:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in names
        ]
    if route.method in _BODIES:
        operation["requestBody"] = {
            "required": not management,
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    return operation
