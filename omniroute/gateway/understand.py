"""Who asks, and what, and whether it may: everything before anything is reserved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from omniroute.admission import gate
from omniroute.admission.values import Caller, Refuse
from omniroute.answers.continued import look_back
from omniroute.catalog.tokens import estimate_request
from omniroute.decision import decide
from omniroute.decision.values import Admitted, Inquiry, World
from omniroute.errors import RequestError, TranslationError
from omniroute.request.body import parse_body
from omniroute.request.request import Request
from omniroute.translation.bounds import check_name
from omniroute.translation.naming import check_model

_NEEDS: Final[Mapping[tuple[bool, bool], frozenset[str]]] = {
    (False, False): frozenset(),
    (True, False): frozenset({"tools"}),
    (False, True): frozenset({"vision"}),
    (True, True): frozenset({"tools", "vision"}),
}
"""Capabilities that a request with tools, with images depends on."""


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
    limits = snapshot.config.server.limits
    request.body = request.full = parse_body(inbound.body, limits)
    client = snapshot.formats.client(inbound.format)
    try:
        client.check_bounds(request.body, limits)
        check_name(inbound.model, "model", limits)
        client.check(request.body)
        if client.continuing is not None:
            await look_back(request, client.continuing)
        full = request.full
        facts = request.facts = client.facts(full)
        record.requested_model = inbound.model or facts.model
        check_model(record.requested_model)
    except TranslationError as error:
        raise RequestError("invalid_request", error.message, param=error.param) from None
    header = snapshot.config.usage.session.header.lower()
    record.session = inbound.headers.get(header) or facts.session
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
        needs=_NEEDS[facts.tools, facts.images],
        max_output_tokens=facts.max_output_tokens,
        size_bytes=len(inbound.body),
        count_tokens=lambda: estimate_request(full),
    )


def admit(request: Request, world: World, inquiry: Inquiry) -> Admitted:
    """What keys and policies make of it. Raises RequestError when they refuse."""
    admitted = decide.admit(world, inquiry, request.started)
    if isinstance(admitted, Refuse):
        raise request.refused(admitted)
    if admitted.admit.routed_by is not None:
        request.record.decided_by = admitted.admit.routed_by
    return admitted
