"""A management route from its handler: the handler's signature is the contract.

    async def _reset(runtime: Runtime, *, body: Scope | None) -> ResetDone: ...

    ROUTES = (operation("POST", "/api/resilience/reset", _reset, name=…, surface=…, summary=…),)

A handler takes the runtime, the path's parameters by their names, and what it declares of `query`
(a Struct with a field for each parameter), `body` (a Struct; with `| None` it may be missing),
`accept`, the header, `author`, who makes a change and for which state (`If-Match`), and `asked`,
the request, where a cookie or an address counts.
It returns a Struct, or a `ApiReply` where a status or a header says more. The types are what bodies
are decoded into, what answers are encoded from, and the schemas of the OpenAPI document, so none of
them can say something else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from types import NoneType
from typing import Any, Generic, TypeVar, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct
from sanic import HTTPResponse

from omniroute.admission.values import Caller
from omniroute.base.heavy import BIG_BYTES
from omniroute.config.model import RequestLimits
from omniroute.errors import RequestError
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.auth import client_ip_of
from omniroute.http.edge.respond import whole
from omniroute.http.edge.routes import Contract, Route, Surface
from omniroute.management.writeback import Author
from omniroute.request.body import parse_body
from omniroute.worker.runtime import Runtime

T = TypeVar("T")


class ApiReply(Struct, Generic[T], frozen=True, kw_only=True):
    """An answer that is more than its body."""

    value: T
    status: int = 200
    headers: dict[str, str] = {}
    digest: str | None = None
    """The state of the configuration that it shows, told as `ETag`."""


class Encoded(Struct, Generic[T], frozen=True):
    """An answer that is bytes already; those that are JSON say a `T`."""

    body: bytes
    content_type: str


def operation(
    method: str,
    path: str,
    handle: Callable[..., Coroutine[Any, Any, object]],
    *,
    name: str,
    surface: Surface,
    summary: str,
    statuses: tuple[int, ...] = (200,),
    refuses: tuple[int, ...] = (),
    content_type: str = "application/json",
    other_types: tuple[str, ...] = (),
    etag: bool = False,
    types: Mapping[str, Any] | None = None,
) -> Route:
    """The route that `handle` serves. `statuses` are those of its answers, `refuses` of errors,
    `other_types` of answers beside the one that the types describe. `types` stand in the place of
    annotations, where a handler is made for several routes."""
    hints = {**get_type_hints(handle), **(types or {})}
    body, required = _optional(hints.get("body"))
    answer = hints["return"]
    if get_origin(answer) is ApiReply:
        (answer,) = get_args(answer)
    if get_origin(answer) is Encoded:
        (answer,) = get_args(answer)
    contract = Contract(
        query=hints.get("query"),
        body=body,
        body_required=required,
        if_match="author" in hints,
        answers=dict.fromkeys(statuses, answer),
        content_type=content_type,
        other_types=other_types,
        etag=etag,
        refuses=refuses,
    )

    async def serve(runtime: Runtime, asked: Asked, **parameters: str) -> HTTPResponse:
        given: dict[str, Any] = dict(parameters)
        if contract.query is not None:
            given["query"] = read_query(asked, contract.query)
        if body is not None:
            missing = not asked.body and not required
            given["body"] = None
            if not missing:
                read = partial(read_body, asked.body, body, runtime.snapshot.config.server.limits)
                is_big = len(asked.body) >= BIG_BYTES
                given["body"] = await runtime.heavy.run(read) if is_big else read()
        if contract.if_match:
            given["author"] = _author(runtime, asked)
        if "asked" in hints:
            given["asked"] = asked
        if "accept" in hints:
            given["accept"] = asked.headers.get("accept")
        return _answer(await handle(runtime, **given), content_type)

    return Route(
        method=method,
        path=path,
        name=name,
        surface=surface,
        handle=serve,
        summary=summary,
        contract=contract,
    )


def _author(runtime: Runtime, asked: Asked) -> Author:
    return Author(
        caller=asked.caller or Caller(),
        address=client_ip_of(asked, runtime.snapshot),
        request_id=asked.request_id,
        target=f"{asked.method} {asked.path}",
        if_match=asked.headers.get("if-match"),
    )


def read_body(raw: bytes, kind: type[T], limits: RequestLimits) -> T:
    """A body as `kind`. Raises RequestError (400) that names the field which is wrong."""
    return _converted(parse_body(raw, limits), kind)


def read_query(asked: Asked, kind: type[T]) -> T:
    """The query parameters that `kind` has fields for. Raises RequestError (400)."""
    names = [field.encode_name for field in msgspec.structs.fields(_struct(kind))]
    given = {name: asked.query(name) for name in names}
    return _converted(
        {name: value for name, value in given.items() if value is not None}, kind, strict=False
    )


def _struct(kind: Any) -> type[Struct]:
    return kind


def _converted(value: object, kind: type[T], *, strict: bool = True) -> T:
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise _refused(str(error)) from None


def _refused(message: str) -> RequestError:
    """The library's words, and the field's path out of them.

    An unknown field `tries` at `$.retry` is `retry.tries`.
    """
    text, _, place = message.partition(" - at ")
    path = place.strip("`").removeprefix("$").removeprefix(".")
    named = re.search(r"(?:unknown|required) field `([^`]+)`$", text)
    if named is not None:
        path = f"{path}.{named[1]}" if path else named[1]
    said = f"{path}: {text}" if path else text
    return RequestError("invalid_request", said, param=path or None)


def _optional(hint: Any) -> tuple[Any, bool]:
    """A body's type, and whether the body must be there."""
    choices = get_args(hint)
    if NoneType not in choices:
        return hint, hint is not None
    (kind,) = (one for one in choices if one is not NoneType)
    return kind, False


def _answer(said: object, content_type: str) -> HTTPResponse:
    reply = cast("ApiReply[Any]", said) if isinstance(said, ApiReply) else ApiReply[Any](value=said)
    headers = dict(reply.headers)
    if reply.digest is not None:
        headers["ETag"] = f'"{reply.digest}"'
    value = reply.value
    if isinstance(value, Encoded):
        return whole(reply.status, headers, value.body, value.content_type)
    body = value.encode() if isinstance(value, str) else msgspec.json.encode(value)
    return whole(reply.status, headers, body, content_type)
