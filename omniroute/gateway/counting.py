"""Counting a request's tokens: by the provider that would get it, else by an estimate of ours."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from omniroute.decision.values import World
from omniroute.errors import RequestError, TranslationError, UpstreamError
from omniroute.gateway.attempt import Ask, request_of
from omniroute.gateway.fallback import ask_of
from omniroute.gateway.reserve import reserve
from omniroute.gateway.understand import admit, understand
from omniroute.request.provider import read_whole
from omniroute.request.request import Request
from omniroute.routing.values import Candidate
from omniroute.translation.values import Outbound

DEADLINE_S: Final = 10.0
"""A count is asked for before the real thing; an estimate in time is worth more than a late one."""
MAX_COUNT_BYTES: Final = 64 << 10


class Counted(Struct, frozen=True, kw_only=True):
    """`by` is the provider that counted, None for an estimate."""

    tokens: int
    by: str | None = None


async def count(request: Request, world: World) -> Counted:
    """The tokens of the request's input. Raises RequestError as asking for an answer does.

    Only the first candidate is asked, and only where its format's table says how. Nothing is
    recorded and no limit is used up: counting is free at every provider.
    """
    admitted = admit(request, world, await understand(request))
    try:
        client = request.snapshot.formats.client(request.inbound.format)
        await request.services.heavy.run(lambda: client.check_counted(request.full))
    except TranslationError as error:
        raise RequestError("invalid_request", error.message, param=error.param) from None
    routed, attempts = await reserve(request, world, admitted, None)
    attempts.close(request.now_s())
    candidate = next(iter(routed.plan.candidates), None)
    if candidate is not None:
        ask = await ask_of(request, routed.admit, candidate)
        tokens = await _asked(request, ask, candidate)
        if tokens is not None:
            return Counted(tokens=tokens, by=candidate.provider.id)
    return Counted(tokens=request.input_tokens())


async def _asked(request: Request, ask: Ask, candidate: Candidate) -> int | None:
    """The provider's own count, None when it cannot or does not tell."""
    counter = request.snapshot.formats.counter(ask.outlet.format)
    if counter is None:
        return None
    outlet = ask.outlet
    bounds = outlet.bounds(request.now_s() + DEADLINE_S)
    try:
        model = candidate.upstream_model

        def outbound_of() -> Outbound:
            sent = ask.pair.request(ask.body, ask.raw, ask.target)
            return counter.request(sent.body, model)

        outbound = await request.services.heavy.run(outbound_of)
        sending = request_of(ask, outbound)
        exchange = await request.services.transports.get(outlet.transport).open(sending, bounds)
        try:
            if exchange.status != 200:
                return None
            return counter.reply(await read_whole(exchange, limit_bytes=MAX_COUNT_BYTES))
        finally:
            await exchange.close()
    except (TranslationError, UpstreamError):
        return None
