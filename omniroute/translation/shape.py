"""What kind of JSON value this is, in a way that the type checker follows."""

from __future__ import annotations

from typing import Any, TypeGuard


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return type(value) is dict


def is_array(value: Any) -> TypeGuard[list[Any]]:
    return type(value) is list
