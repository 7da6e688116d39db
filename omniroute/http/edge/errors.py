"""Failures to answers: which envelope a path's clients read, and what Sanic's own errors mean."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable

import msgspec
from msgspec import UNSET, Struct, UnsetType
from sanic import HTTPResponse
from sanic.exceptions import (
    BadRequest,
    NotFound,
    PayloadTooLarge,
    RequestTimeout,
    SanicException,
)

from omniroute.config.diagnostics import Diagnostic
from omniroute.errors import RequestError
from omniroute.http.edge.endpoints import MANAGEMENT
from omniroute.http.edge.insides import MalformedRequest
from omniroute.http.edge.respond import whole
from omniroute.translation.values import ClientFormat, Failure, Formats

_log = logging.getLogger("omniroute.http")


class ErrorDetails(Struct, frozen=True):
    """`field` is the path of the field that is wrong; `diagnostics` are what a check found."""

    field: str | UnsetType = UNSET
    diagnostics: list[Diagnostic] | UnsetType = UNSET


class ErrorBody(Struct, frozen=True, kw_only=True):
    """`code` is for programs, `message` for people."""

    code: str
    message: str
    details: ErrorDetails | UnsetType = UNSET


class Error(Struct, frozen=True):
    """A refusal of the management API."""

    error: ErrorBody


def from_exception(error: Exception) -> RequestError:
    """What a client is told of anything that was raised on its behalf.

    An exception that nobody expected is logged with its traceback and told as `internal`.
    """
    match error:
        case RequestError():
            return error
        case PayloadTooLarge():
            return RequestError("too_large", str(error))
        case MalformedRequest():
            kind = "too_large" if error.status_code == 431 else "invalid_request"
            return RequestError(kind, str(error), status=error.status_code)
        case NotFound():
            return RequestError("not_found", "there is nothing at this path", code="unknown_path")
        case RequestTimeout():
            return RequestError(
                "invalid_request", "the request took too long to arrive", status=408
            )
        case BadRequest():
            return RequestError("invalid_request", str(error) or "the request is malformed")
        case SanicException():
            return RequestError(
                "internal" if error.status_code >= 500 else "invalid_request",
                "the request could not be served",
                status=error.status_code,
            )
        case _:
            _log.error("a request failed unexpectedly", exc_info=error)
            return RequestError("internal", "an internal error occurred; the log has its details")


def not_allowed(methods: Iterable[str]) -> RequestError:
    """For a path that takes these methods alone."""
    allowed = ", ".join(methods)
    return RequestError(
        "method_not_allowed", f"this path takes {allowed}", headers={"Allow": allowed}
    )


def render(error: RequestError, envelope: str, formats: Formats, request_id: str) -> HTTPResponse:
    """The error as the clients of `envelope` (a format's name, or MANAGEMENT) read it."""
    headers = {"X-Request-Id": request_id, **error.headers}
    if (seconds := waiting_s(error)) is not None:
        headers["Retry-After"] = seconds
    original = error.original
    if original is not None and original.format == envelope:
        return whole(original.status, {**headers, **original.headers}, original.body)
    if envelope == MANAGEMENT:
        return whole(error.status, headers, _management(error))
    status, body = in_envelope(error, formats.client(envelope), request_id)
    return whole(status, headers, body)


def in_envelope(error: RequestError, client: ClientFormat, request_id: str) -> tuple[int, bytes]:
    """The status and the body that a format's clients know for it."""
    failure = Failure(
        kind=error.kind,
        status=error.status,
        message=error.message,
        code=error.code,
        param=error.param,
        retry_after_s=error.retry_after_s,
    )
    return client.status(failure), client.error(failure, request_id)


def waiting_s(error: RequestError) -> str | None:
    """What `Retry-After` says of it."""
    seconds = error.retry_after_s
    return None if seconds is None else str(max(1, math.ceil(seconds)))


def _management(error: RequestError) -> bytes:
    found = [item for item in error.diagnostics if isinstance(item, Diagnostic)]
    details = ErrorDetails(
        field=UNSET if error.param is None else error.param, diagnostics=found or UNSET
    )
    known = error.param is not None or bool(found)
    told = ErrorBody(
        code=error.code or error.kind,
        message=error.message,
        details=details if known else UNSET,
    )
    return msgspec.json.encode(Error(error=told))
