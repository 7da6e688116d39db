"""What a decision takes and gives: the world it is made in, what is asked, what was decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from msgspec import Struct

from omniroute.admission.gate import AdmissionPlan
from omniroute.admission.values import Admit, Caller, RequestFacts
from omniroute.config.model import ModelKind
from omniroute.routing.index import ModelIndex
from omniroute.routing.plan import Plan
from omniroute.routing.values import Resolved
from omniroute.routing.view import LiveView
from omniroute.translation.values import DEFAULT_FORMAT

CREDENTIALS: Final = frozenset(
    {"authorization", "proxy-authorization", "cookie", "x-api-key", "x-goog-api-key"}
)
"""Headers that no expression sees; a server adds those of its formats' clients."""


class World(Struct, frozen=True, kw_only=True):
    """All that a decision depends on beside the request and the clock."""

    admission: AdmissionPlan
    index: ModelIndex
    live: LiveView
    """Breakers, latencies, sessions and turns, as routing sees them."""
    rng: Random
    reached: Mapping[tuple[str, ModelKind], frozenset[str]] = {}
    """By format and kind of what is asked, the formats of providers; all where none is named."""
    hidden: frozenset[str] = CREDENTIALS
    """Headers, in lower case, that no expression sees."""


class Inquiry(Struct, frozen=True, kw_only=True):
    """What somebody wants, as far as a decision may know it."""

    caller: Caller
    model: str
    """As the client wrote it."""
    provider: str | None = None
    """Where the path is bound to one."""
    ip: str = "127.0.0.1"
    path: str = "/v1/chat/completions"
    format: str = DEFAULT_FORMAT
    kind: ModelKind = "chat"
    stream: bool = False
    headers: Mapping[str, str] = {}
    """Lower-case names; those that carry a credential are kept from expressions."""
    session: str | None = None
    opening: str | None = None
    """What an agent's conversation begins with, in short, where nobody named its session."""
    needs: frozenset[str] = frozenset()
    """Capabilities that the answer depends on: tools, vision."""
    max_output_tokens: int | None = None
    """The client's own bound."""
    units: int = 0
    """Of what is not counted in tokens, as far as the request says."""
    size_bytes: int = 0
    """Of the body: no more tokens than bytes."""
    count_tokens: Callable[[], int] = int
    """An estimate of the input, asked for only where something depends on it."""


class Admitted(Struct, frozen=True, kw_only=True):
    """The caller may ask this; where it goes is still open."""

    inquiry: Inquiry
    admit: Admit
    resolved: Resolved
    facts: RequestFacts
    """What policies saw."""


class Routed(Struct, frozen=True, kw_only=True):
    """Where a request goes, in order, and under which decision."""

    admitted: Admitted
    admit: Admit
    """Differs from the admitted one when a budget degraded the request."""
    plan: Plan
