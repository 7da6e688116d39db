"""A client's JSON, parsed once, with errors that tell where it is broken."""

from __future__ import annotations

from typing import Any, cast

import orjson

from omniroute.base.bigjson import read_json
from omniroute.config.model import RequestLimits
from omniroute.errors import RequestError
from omniroute.request.bounds import check_size


def parse_body(raw: bytes, limits: RequestLimits) -> dict[str, Any]:
    """The body as an object. Raises RequestError (400) naming line and column, or what is too
    large."""
    if not raw:
        raise RequestError("invalid_request", "the request has no body; send a JSON object")
    check_size(raw, limits)
    try:
        body = read_json(raw)
    except orjson.JSONDecodeError as error:
        raise RequestError(
            "invalid_request",
            f"the body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})",
        ) from None
    if not isinstance(body, dict):
        raise RequestError("invalid_request", "the body must be a JSON object")
    return cast("dict[str, Any]", body)
