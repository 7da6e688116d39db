"""Fields of management bodies, with errors that name them."""

from __future__ import annotations

from omniroute.errors import RequestError


def optional_text(body: dict[str, object], name: str) -> str | None:
    """Raises RequestError when it is there and no text."""
    value = body.get(name)
    if value is None or isinstance(value, str):
        return value
    raise RequestError("invalid_request", f"{name} must be text", param=name)
