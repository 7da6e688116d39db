"""A client's JSON, parsed once, with errors that tell where it is broken."""

from __future__ import annotations

from typing import Any, cast

import orjson

from omniroute.base.bigjson import read_json
from omniroute.config.model import RequestLimits
from omniroute.errors import RequestError
from omniroute.request.bounds import check_size, path_before


def parse_body(raw: bytes, limits: RequestLimits) -> dict[str, Any]:
    """The body as an object. Raises RequestError (400) naming line and column, or what is too
    large."""
    if not raw:
        raise RequestError("invalid_request", "the request has no body; send a JSON object")
    check_size(raw, limits)
    try:
        body = read_json(raw)
    except orjson.JSONDecodeError as error:
        if "infinity" in error.msg:
            field = path_before(raw, len(error.doc[: error.pos].encode()))
            raise RequestError(
                "invalid_request",
                f"{field or 'the body'} is a number beyond all that can be counted on",
                param=field,
            ) from None
        raise RequestError(
            "invalid_request",
            f"the body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})",
        ) from None
    if not isinstance(body, dict):
        raise RequestError("invalid_request", "the body must be a JSON object")
    return cast("dict[str, Any]", body)
