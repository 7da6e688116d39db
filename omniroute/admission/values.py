"""The values that admission takes and gives: who calls, what is asked, what was decided and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from omniroute.config.model import Key, KeyRateLimit, LoginRole, Mark, ModelKind, Role
from omniroute.errors import RequestError
from omniroute.state.store import SlotTake, WindowTake

Surface = Literal["inference", "management"]


class Caller(Struct, frozen=True, kw_only=True):
    """Who stands behind a request; without a key, `key_id` and `key` are None.

    `login` is the role of a person who has logged in.
    """

    key_id: str | None = None
    login: LoginRole | None = None
    key: Key | None = None
    tags: Mapping[str, str] = {}
    roles: frozenset[Role] = frozenset()


class Refuse(Struct, frozen=True, kw_only=True):
    """No, with the rule that said so and where it stands."""

    error: RequestError
    decided_by: str
    """`key`, `key:<id>`, `ip_filter`, `policy:<id>`, `limit:<owner>` or `budget:<id>`."""
    mark: Mark | None = None
    detail: str | None = None
    """For the log alone: why an expression failed."""


class RequestFacts(Struct, frozen=True, kw_only=True):
    """What policies may know of a request."""

    caller: Caller
    ip: str
    path: str
    format: str
    model: str
    """The name that the alias rules gave; `requested` is the one that the client wrote."""
    requested: str = ""
    stream: bool = False
    kind: ModelKind = "chat"
    headers: Mapping[str, str] = {}
    """Lower-case names, without credentials."""
    input_tokens_estimate: int = 0
    max_output_tokens: int | None = None
    units: int = 0
    """Of what is not counted in tokens, as far as the request says."""


class LimitRule(Struct, frozen=True, kw_only=True):
    """A rate limit that applies to this request; `owner` is `key:<id>` or `policy:<id>`."""

    owner: str
    limit: KeyRateLimit
    mark: Mark | None = None
    requests: WindowTake | None = None
    tokens: WindowTake | None = None
    """Its cost is the request's and filled in later."""
    slot: SlotTake | None = None


class Decided(Struct, frozen=True):
    """A policy that took part in the decision."""

    policy: str
    action: str
    mark: Mark | None = None


class Warned(Struct, frozen=True):
    """Something the caller should hear although the request goes on."""

    source: str
    """`policy:<id>` or `budget:<id>`."""
    message: str


class Admit(Struct, frozen=True, kw_only=True):
    """Yes, and under which conditions. Windows and budgets are still to be taken from the store."""

    caller: Caller
    model: str
    """What to route; differs from the request's when a policy or a degraded budget said so."""
    routed_by: str | None = None
    """`policy:<id>` or `budget:<id>`."""
    set_fields: Mapping[str, Any] = {}
    """Hub fields, dotted path to value."""
    cache: bool | None = None
    """What a policy said about caching this answer; None when none did."""
    warnings: tuple[Warned, ...] = ()
    limits: tuple[LimitRule, ...] = ()
    decided: tuple[Decided, ...] = ()
    lifted: frozenset[str] = frozenset()
    """Budgets that no longer refuse, because this request was degraded on their account."""


Decision = Admit | Refuse
