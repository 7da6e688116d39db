"""Counting a request's tokens: by the provider that would get it, else by an estimate of ours."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from omniroute.errors import TranslationError, UpstreamError
from omniroute.gateway.attempt import Ask, request_of
from omniroute.gateway.fallback import ask_of
from omniroute.gateway.reserve import reserve
from omniroute.gateway.understand import admit, look_back, understand
from omniroute.request.inflight import InFlight
from omniroute.request.provider import read_whole
from omniroute.routing.values import Candidate
from omniroute.upstream.client import Bounds

DEADLINE_S: Final = 10.0
"""A count is asked for before the real thing; an estimate in time is worth more than a late one."""
MAX_COUNT_BYTES: Final = 64 << 10


class Counted(Struct, frozen=True, kw_only=True):
    """`by` is the provider that counted, None for an estimate."""

    tokens: int
    by: str | None = None


async def count(flight: InFlight) -> Counted:
    """The tokens of the request's input. Raises RequestError as asking for an answer does.

    Only the first candidate is asked, and only where its format's table says how. Nothing is
    recorded and no limit is used up: counting is free at every provider.
    """
    understood = await look_back(flight, understand(flight, count=True))
    admitted = admit(flight, understood.asked)
    reserved = await reserve(flight, understood, admitted, None)
    reserved.attempts.close(flight.now_s())
    candidate = next(iter(reserved.attempts.plan.candidates), None)
    tokens = None
    if candidate is not None:
        ask = await ask_of(flight, understood, reserved.admit, candidate)
        tokens = await _asked(flight, ask, candidate)
    if candidate is None or tokens is None:
        return Counted(tokens=understood.input_tokens)
    return Counted(tokens=tokens, by=candidate.provider.id)


async def _asked(flight: InFlight, ask: Ask, candidate: Candidate) -> int | None:
    """The provider's own count, None when it cannot or does not tell."""
    counter = flight.snapshot.formats.counter(ask.outlet.format)
    if counter is None:
        return None
    outlet = ask.outlet
    bounds = Bounds(
        connect_s=outlet.connect_s,
        first_byte_s=outlet.first_byte_s,
        idle_s=outlet.idle_s,
        deadline=flight.now_s() + DEADLINE_S,
    )
    try:
        sent = ask.pair.request(ask.body, ask.raw, ask.target)
        outbound = counter.request(sent.body, candidate.upstream_model)
        request = request_of(ask, outbound)
        exchange = await flight.services.transports.get(outlet.transport).open(request, bounds)
        try:
            if exchange.status != 200:
                return None
            return counter.reply(await read_whole(exchange, limit_bytes=MAX_COUNT_BYTES))
        finally:
            await exchange.close()
    except (TranslationError, UpstreamError):
        return None
