"""What a route is: its path, its handler and the credential that it needs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any

from msgspec import Struct
from sanic import HTTPResponse

Handle = Callable[..., Coroutine[Any, Any, HTTPResponse | None]]
"""(runtime, asked, **path parameters) → answer; None when it was streamed."""


class Surface(Enum):
    """Who may use a route."""

    PUBLIC = "public"
    """Anybody: liveness and readiness, without detail."""
    INFERENCE = "inference"
    """A key where `auth.require_api_key` is on; the handler admits."""
    VIEWER = "viewer"
    """A key with the role viewer or admin, unless `auth.dashboard.require_login` is off."""
    ADMIN = "admin"
    """A key with the role admin, unless `auth.dashboard.require_login` is off."""


class Route(Struct, frozen=True, kw_only=True):
    method: str
    path: str
    name: str
    surface: Surface
    handle: Handle
    summary: str
    """One line for the OpenAPI document."""
