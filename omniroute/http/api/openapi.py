"""The OpenAPI document, made from the table of routes and the types of their contracts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any, Final

import msgspec
from msgspec import Struct

from omniroute.base.version import __version__
from omniroute.http.api.operation import operation
from omniroute.http.edge.browser import COOKIE
from omniroute.http.edge.errors import Error
from omniroute.http.edge.routes import Contract, Route, Surface
from omniroute.translation.kinds import SENT_AS_FILES
from omniroute.translation.values import Formats
from omniroute.worker.runtime import Runtime

_PARAMETER: Final = re.compile(r"<(\w+):\w+>")
_BODIES: Final = frozenset({"POST", "PUT", "PATCH"})
_SCHEMAS: Final = "#/components/schemas/{name}"
_SCHEMES: Final[dict[str, dict[str, str]]] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "xApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "xGoogApiKey": {"type": "apiKey", "in": "header", "name": "x-goog-api-key"},
    "queryKey": {"type": "apiKey", "in": "query", "name": "key"},
}
_COOKIE: Final = {"cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE}}
"""For management alone."""
_ANY: Final = (415, 431)
"""Any request may have a coded body, or a head that is too large."""
_CREDENTIAL: Final = (401, 403)
_BODY: Final = (400, 408, 413)
_JSON: Final = "application/json"
_PARTS: Final = "multipart/form-data"
_TEXT: Final = {"type": "string"}
_OBJECT: Final = {"type": "object"}
_ETAG: Final = {
    "description": "The digest of the configuration, for If-Match",
    "schema": {"type": "string", "pattern": '^"[0-9a-f]+"$'},
}
Schemas = Mapping[Any, Mapping[str, Any]]
"""By type, or by the format whose requests it is of, the reference to a schema."""


class OpenApi(Struct, frozen=True):
    """This document."""

    openapi: str
    info: dict[str, str]
    paths: dict[str, Any]
    components: dict[str, Any]


def described(table: Sequence[Route], formats: Formats) -> tuple[Route, ...]:
    """The table with one more route: the document of all of them, itself included.

    Made when it is first asked for, and not on the loop: it takes longer than all else at a start.
    """

    @cache
    def made() -> OpenApi:
        return document(every, formats)

    async def handle(runtime: Runtime) -> OpenApi:
        return await asyncio.to_thread(made)

    own = operation(
        "GET",
        "/api/openapi.json",
        handle,
        name="openapi",
        surface=Surface.VIEWER,
        summary="This document",
    )
    every = (*table, own)
    return every


def document(table: Sequence[Route], formats: Formats) -> OpenApi:
    """OpenAPI 3.1. Of bodies in a client's format it has what is checked: the known fields."""
    types = list(dict.fromkeys(kind for route in table for kind in _types(route.contract)))
    references, schemas = msgspec.json.schema_components(types, ref_template=_SCHEMAS)
    by_type: dict[Any, Mapping[str, Any]] = dict(zip(types, references, strict=True))
    for name, kind in sorted({spoken for route in table for spoken in route.formats}):
        own = formats.client(name, kind).schemas()
        if kind in SENT_AS_FILES:
            own = {component: _with_file(schema) for component, schema in own.items()}
        schemas |= own
        if own:
            by_type[name, kind] = {"$ref": _SCHEMAS.format(name=next(iter(own)))}
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        operations = paths.setdefault(_PARAMETER.sub(r"{\1}", route.path), {})
        operations[route.method.lower()] = _operation(route, by_type)
    return OpenApi(
        openapi="3.1.0",
        info={"title": "OmniRoute", "version": __version__},
        paths=paths,
        components={"securitySchemes": _SCHEMES | _COOKIE, "schemas": schemas},
    )


def _with_file(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a form, in which the file is what the client sends."""
    file = {"type": "string", "contentMediaType": "application/octet-stream"}
    return {**schema, "properties": {**schema["properties"], "file": file}}


def _types(contract: Contract | None) -> Iterable[Any]:
    yield Error
    if contract is not None:
        yield from (kind for kind in (contract.body, *contract.answers.values()) if kind)


def _operation(route: Route, by_type: Schemas) -> dict[str, Any]:
    contract = route.contract
    public = route.surface is Surface.PUBLIC
    found: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.surface.value],
        "security": [{name: []} for name in _schemes(route.surface)],
    }
    parameters = [*_path_parameters(route), *_query_parameters(contract), *_headers(contract)]
    if parameters:
        found["parameters"] = parameters
    if contract is None:
        return found | _of_a_client_format(route, by_type)
    if contract.query is not None and contract.query.__doc__:
        found["description"] = contract.query.__doc__
    if contract.body is not None:
        found["requestBody"] = {
            "required": contract.body_required,
            "content": {_JSON: {"schema": by_type[contract.body]}},
        }
    refuses = {*_ANY, *contract.refuses}
    refuses |= set() if public else {*_CREDENTIAL}
    refuses |= {*_BODY} if contract.body is not None else set()
    error = {_JSON: {"schema": by_type[Error]}}
    responses = {status: _response(status, error) for status in refuses - set(contract.answers)}
    for status, kind in contract.answers.items():
        schema: Any = by_type[kind]
        if status in contract.refuses:
            schema = {"anyOf": [schema, by_type[Error]]}
        text = {"schema": {"type": "string"}}
        content: dict[str, Any] = dict.fromkeys(contract.other_types, text)
        responses[status] = _response(
            status, {contract.content_type: {"schema": schema}, **content}
        )
        if contract.etag:
            responses[status]["headers"] = {"ETag": _ETAG}
    found["responses"] = {str(status): responses[status] for status in sorted(responses)}
    return found


def _schemes(surface: Surface) -> Iterable[str]:
    if surface is Surface.PUBLIC:
        return ()
    return _SCHEMES if surface is Surface.INFERENCE else (*_SCHEMES, *_COOKIE)


def _response(status: int, content: dict[str, Any]) -> dict[str, Any]:
    return {"description": HTTPStatus(status).phrase, "content": content}


def _of_a_client_format(route: Route, by_type: Schemas) -> dict[str, Any]:
    """What is known of bodies that a vendor describes: they are JSON, and which fields are held
    to a type."""
    found: dict[str, Any] = {
        "responses": {
            "200": {"description": "The answer", "content": {_JSON: {}}},
            "default": {"description": "An error in the envelope of the client's format"},
        }
    }
    if route.method in _BODIES:
        known = [by_type[spoken] for spoken in route.formats if spoken in by_type]
        schema = {"anyOf": known} if len(known) > 1 else next(iter(known), _OBJECT)
        media_type = _PARTS if route.in_parts else _JSON
        found["requestBody"] = {"required": True, "content": {media_type: {"schema": schema}}}
    return found


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [_parameter(name, "path", _TEXT) for name in _PARAMETER.findall(route.path)]


def _query_parameters(contract: Contract | None) -> list[dict[str, Any]]:
    if contract is None or contract.query is None:
        return []
    schema: dict[str, Any] = msgspec.json.schema_components([contract.query])[1][
        contract.query.__name__
    ]
    return [
        _parameter(name, "query", one, required=name in schema["required"])
        for name, one in schema["properties"].items()
    ]


def _headers(contract: Contract | None) -> list[dict[str, Any]]:
    if contract is None or not contract.if_match:
        return []
    return [_parameter("If-Match", "header", _TEXT, required=False)]


def _parameter(
    name: str, place: str, schema: Mapping[str, Any], *, required: bool = True
) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": schema}
