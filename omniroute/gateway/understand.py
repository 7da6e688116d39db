"""Who asks, and what, and whether it may: everything before anything is reserved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from omniroute.admission import gate
from omniroute.admission.values import Caller, Refuse
from omniroute.answers.continued import look_back
from omniroute.base.chosen import shortened
from omniroute.decision import decide
from omniroute.decision.values import Admitted, Inquiry, World
from omniroute.errors import RequestError, TranslationError
from omniroute.request.body import parse_body
from omniroute.request.request import Request
from omniroute.translation.bounds import check_name
from omniroute.translation.naming import check_model
from omniroute.translation.values import ClientFormat, Facts

_NEEDS: Final[Mapping[tuple[bool, bool], frozenset[str]]] = {
    (False, False): frozenset(),
    (True, False): frozenset({"tools"}),
    (False, True): frozenset({"vision"}),
    (True, True): frozenset({"tools", "vision"}),
}
"""Capabilities that a request with tools, with images depends on."""


_TOOLS_SESSION: Final = "x-claude-code-session-id"
"""Clearer than the user that its bodies name: that holds the account, too."""


_AGENTS_SESSIONS: Final = ("x-session-affinity", "session-id", "session_id")
"""Of OpenCode, and of Codex as it is and as it was."""


def identify(request: Request) -> Caller:
    """Who asks. Raises RequestError when the address or the key is refused."""
    inbound, record = request.inbound, request.record
    caller = gate.identify(
        request.snapshot.admission,
        inbound.key,
        ip=inbound.client_ip,
        surface="inference",
        now=request.started,
    )
    if isinstance(caller, Refuse):
        raise request.refused(caller)
    record.key, record.tags = caller.key_id, caller.tags
    return caller


async def understand(request: Request) -> Inquiry:
    """Read a request, together with what it goes on from.

    Raises RequestError when the caller is unknown, or the body unreadable or beyond a limit.
    """
    caller = identify(request)
    inbound, record, snapshot = request.inbound, request.record, request.snapshot
    client = request.client
    try:
        heavy = request.services.heavy
        body = (
            await heavy.run(lambda: _read(request, client))
            if request.is_big
            else _read(request, client)
        )
        request.body = request.full = body
        if client.continuing is not None:
            await look_back(request, client.continuing)
        facts = request.facts = (
            await heavy.run(lambda: _facts(request, client))
            if request.is_big
            else client.facts(request.full)
        )
        record.requested_model = inbound.model or facts.model
        check_model(record.requested_model)
    except TranslationError as error:
        raise RequestError("invalid_request", error.message, param=error.param) from None
    header, opening = snapshot.config.usage.session.header.lower(), None
    session = inbound.headers.get(header) or inbound.headers.get(_TOOLS_SESSION)
    if session is None and facts.tools:
        session = _told_by_agent(inbound.headers) or facts.session
        if session is None:
            opening = client.opening(request.full)
    session = session or facts.session
    record.session = None if session is None else shortened(session)
    record.stream = facts.stream if inbound.stream is None else inbound.stream
    return Inquiry(
        caller=caller,
        model=record.requested_model or "",
        provider=inbound.provider,
        ip=inbound.client_ip,
        path=inbound.path,
        format=inbound.format,
        kind=inbound.kind,
        stream=record.stream,
        headers=inbound.headers,
        session=record.session,
        opening=opening,
        needs=_NEEDS[facts.tools, facts.images],
        max_output_tokens=facts.max_output_tokens,
        units=facts.units,
        size_bytes=len(inbound.body),
        count_tokens=request.input_tokens,
    )


def _told_by_agent(headers: Mapping[str, str]) -> str | None:
    """The session, as tools name it that leave it out of their bodies."""
    return next((headers[name] for name in _AGENTS_SESSIONS if headers.get(name)), None)


def _read(request: Request, client: ClientFormat) -> dict[str, Any]:
    """The body within its limits. Raises RequestError or TranslationError."""
    inbound, limits = request.inbound, request.snapshot.config.server.limits
    body = parse_body(inbound.body, limits)
    client.check_bounds(body, limits, size_bytes=len(inbound.body))
    if inbound.model is not None:
        check_name(inbound.model, "model", limits)
    client.check(body)
    return body


def _facts(request: Request, client: ClientFormat) -> Facts:
    """What the client's table reads of a big request. Raises TranslationError."""
    request.input_tokens()  # whoever asks for them asks on the loop
    return client.facts(request.full)


def admit(request: Request, world: World, inquiry: Inquiry) -> Admitted:
    """What keys and policies make of it. Raises RequestError when they refuse."""
    admitted = decide.admit(world, inquiry, request.started)
    if isinstance(admitted, Refuse):
        raise request.refused(admitted)
    if admitted.admit.routed_by is not None:
        request.record.decided_by = admitted.admit.routed_by
    return admitted
