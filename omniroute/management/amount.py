"""Values of a management request's body, checked one by one; errors name the field's path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from omniroute.errors import RequestError


def count(value: object, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise RequestError("invalid_request", f"{path} must be a whole number from 0", param=path)
    return value


def amount(value: object, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise RequestError("invalid_request", f"{path} must be a number from 0", param=path)
    return float(value)


def duration(value: object, path: str) -> str:
    """Milliseconds as the file writes a duration."""
    whole = count(value, path)
    return f"{whole}ms" if whole % 1000 or not whole else f"{whole // 1000}s"


def flag(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise RequestError("invalid_request", f"{path} must be true or false", param=path)
    return value


def text(value: object, path: str) -> str:
    if not isinstance(value, str) or not value:
        raise RequestError("invalid_request", f"{path} must be text", param=path)
    return value


def members(value: object, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RequestError("invalid_request", f"{path} must be an object", param=path)
    return cast("Mapping[str, Any]", value)


def unknown(path: str) -> RequestError:
    return RequestError("invalid_request", f"there is no field {path}", param=path)
