"""Who asks, what, of which model, and whether it may: everything before anything is reserved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from omniroute.admission.gate import decide, identify
from omniroute.admission.values import Admit, Caller, Refuse, RequestFacts
from omniroute.answers.continued import Continued, go_on
from omniroute.catalog.tokens import estimate_request
from omniroute.errors import RequestError, TranslationError
from omniroute.request.body import parse_body
from omniroute.request.inflight import InFlight
from omniroute.routing.resolve import resolve, resolve_for_provider
from omniroute.routing.values import Branch, Resolved
from omniroute.translation.values import Facts

CREDENTIALS: Final = frozenset(
    {"authorization", "proxy-authorization", "cookie", "x-api-key", "x-goog-api-key"}
)


class Understood(Struct, frozen=True, kw_only=True):
    """A request that has been read. `asked` is what policies see of it."""

    continued: Continued
    """The body, also with what it goes on from."""
    facts: Facts
    resolved: Resolved
    asked: RequestFacts

    @property
    def body(self) -> dict[str, Any]:
        return self.continued.body

    @property
    def input_tokens(self) -> int:
        """An estimate; 0 where nothing depends on it."""
        return self.asked.input_tokens_estimate


def understand(flight: InFlight, *, count: bool = False) -> Understood:
    """Read a request; `count` has its input's tokens estimated whatever depends on them.

    Raises RequestError when the caller is unknown, the body is unreadable or the model does not
    exist.
    """
    caller = _identify(flight)
    body = parse_body(flight.inbound.body)
    return _understood(flight, caller, Continued(body=body, full=body), count=count)


async def look_back(flight: InFlight, understood: Understood) -> Understood:
    """The same with what went before, where the request goes on from a kept answer."""
    client = flight.snapshot.formats.client(flight.inbound.format)
    if client.continuing is None:
        return understood
    now_s = flight.trace.started.timestamp()
    continued = await go_on(
        flight.services.store, client.continuing, flight.trace.key, understood.body, now_s
    )
    if continued.full is understood.body:
        return understood
    return _understood(flight, understood.asked.caller, continued, count=False)


def _understood(
    flight: InFlight, caller: Caller, continued: Continued, *, count: bool
) -> Understood:
    full = continued.full
    facts = _read(flight, full)
    resolved = _resolve(flight, caller)
    counts = count or _asks_for_tokens(flight, caller, resolved)
    asked = _asked(flight, caller, facts, resolved, estimate_request(full) if counts else 0)
    return Understood(continued=continued, facts=facts, resolved=resolved, asked=asked)


def admit(flight: InFlight, asked: RequestFacts) -> Admit:
    """What keys and policies make of it. Raises RequestError when they refuse."""
    decision = decide(flight.snapshot.admission, asked, flight.trace.started)
    if isinstance(decision, Refuse):
        raise flight.refused(decision)
    if decision.routed_by is not None:
        flight.trace.decided_by = decision.routed_by
    return decision


def _identify(flight: InFlight) -> Caller:
    inbound, trace = flight.inbound, flight.trace
    caller = identify(
        flight.snapshot.admission,
        inbound.key,
        ip=inbound.client_ip,
        surface="inference",
        now=trace.started,
    )
    if isinstance(caller, Refuse):
        raise flight.refused(caller)
    trace.key = caller.key_id
    trace.tags = caller.tags
    return caller


def _read(flight: InFlight, body: dict[str, Any]) -> Facts:
    inbound, trace = flight.inbound, flight.trace
    try:
        facts = flight.snapshot.formats.client(inbound.format).facts(body)
    except TranslationError as error:
        raise RequestError("invalid_request", error.message, param=error.param) from None
    header = flight.snapshot.config.usage.session.header.lower()
    trace.session = inbound.headers.get(header) or facts.session
    trace.stream = facts.stream if inbound.stream is None else inbound.stream
    trace.model = inbound.model or facts.model
    return facts


def _resolve(flight: InFlight, caller: Caller) -> Resolved:
    """What the name stands for, if the caller's key may use it."""
    name = flight.trace.model
    if not name:
        raise RequestError(
            "invalid_request", "the request names no model", param="model", code="model_missing"
        )
    index = flight.snapshot.index
    globs = caller.key.models if caller.key is not None else ()
    if flight.inbound.provider is not None:
        return resolve_for_provider(index, flight.inbound.provider, name, globs)
    return resolve(index, name, globs)


def _asks_for_tokens(flight: InFlight, caller: Caller, resolved: Resolved) -> bool:
    """Whether anything depends on the input's size: an estimate of a long one takes a while."""
    admission = flight.snapshot.admission
    if admission.policies or admission.book.meters:
        return True
    if caller.key is not None and caller.key.rate_limit.tokens is not None:
        return True
    node = resolved.node
    if isinstance(node, Branch):
        return True
    size = len(flight.inbound.body)  # a token has at least one byte
    return any(one.window is not None and size > one.window for one in node.candidates)


def _asked(
    flight: InFlight, caller: Caller, facts: Facts, resolved: Resolved, input_tokens: int
) -> RequestFacts:
    inbound = flight.inbound
    seen = flight.snapshot.admission.policies or isinstance(resolved.node, Branch)
    return RequestFacts(
        caller=caller,
        ip=inbound.client_ip,
        path=inbound.path,
        format=inbound.format,
        model=resolved.id,
        requested=resolved.requested,
        stream=flight.trace.stream,
        kind=inbound.kind,
        headers=_shown(inbound.headers) if seen else {},
        input_tokens_estimate=input_tokens,
        max_output_tokens=facts.max_output_tokens,
    )


def _shown(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that expressions may read, by lower-case name: none that carries a credential."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower not in CREDENTIALS:
            found.setdefault(lower, value)
    return found
