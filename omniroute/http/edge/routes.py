"""What a route is: its path, its handler and the credential that it needs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from enum import Enum
from typing import Any

from msgspec import Struct
from sanic import HTTPResponse

from omniroute.config.model import ModelKind
from omniroute.request.inbound import Whole

Answer = HTTPResponse | Whole
Handle = Callable[..., Coroutine[Any, Any, Answer | None]]
"""(runtime, asked, **path parameters) → answer; None when it was streamed."""

RoutedHandle = Callable[..., Coroutine[Any, Any, HTTPResponse | None]]
"""The same as Sanic calls it: (request, **path parameters)."""


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


class Contract(Struct, frozen=True, kw_only=True):
    """What a route takes and answers, as types: the OpenAPI document is made of it."""

    query: type[Struct] | None = None
    """A field for each query parameter."""
    body: Any = None
    """The type of the request's body, None for a route without one."""
    body_required: bool = False
    if_match: bool = False
    """Whether a change may name the state that it was made for."""
    answers: Mapping[int, Any]
    """The type of the body by status."""
    content_type: str = "application/json"
    other_types: tuple[str, ...] = ()
    """In which an answer comes where it is asked for."""
    etag: bool = False
    """Whether answers name the state that they show."""
    refuses: tuple[int, ...] = ()
    """Statuses of errors, beyond those that any route may have."""


class Route(Struct, frozen=True, kw_only=True):
    method: str
    path: str
    name: str
    surface: Surface
    handle: Handle
    summary: str
    """One line for the OpenAPI document."""
    contract: Contract | None = None
    """None where the bodies are those of a client's format."""
    upgrades: bool = False
    """Whether its connection may leave HTTP, which then needs no answer."""
    in_parts: bool = False
    """Whether it takes a file: multipart/form-data, and nothing else."""
    formats: tuple[tuple[str, ModelKind], ...] = ()
    """Whose requests it takes, and for models of which kind, where there is no contract."""
