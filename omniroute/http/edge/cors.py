"""Answers to browsers of other origins: those that `server.cors.origins` lists; none by default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sanic import HTTPResponse

from omniroute.http.edge.insides import HttpAnswer


def allow(origins: Sequence[str], headers: Mapping[str, str]) -> dict[str, str]:
    """Headers that let the asking origin read the answer; empty when it may not."""
    origin = headers.get("origin")
    if origin is None or not ("*" in origins or origin in origins):
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": "*",
        "Vary": "Origin",
    }


def preflight(
    origins: Sequence[str], method: str, headers: Mapping[str, str]
) -> HTTPResponse | None:
    """The answer to a browser's OPTIONS question, None when this is not one that is allowed."""
    asked = headers.get("access-control-request-method")
    if method != "OPTIONS" or asked is None:
        return None
    allowed = allow(origins, headers)
    if not allowed:
        return None
    allowed["Access-Control-Allow-Methods"] = asked
    allowed["Access-Control-Allow-Headers"] = headers.get("access-control-request-headers", "*")
    allowed["Access-Control-Max-Age"] = "600"
    return HttpAnswer(status=204, headers=allowed)
