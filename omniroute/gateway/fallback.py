"""From attempt to attempt, until one answers or nothing is left to try."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from omniroute.admission.settings import fields_for_model
from omniroute.admission.values import Admit
from omniroute.base.secret import redact
from omniroute.errors import RequestError, TranslationError
from omniroute.gateway.attempt import Answered, Ask, AttemptFailedError, Begun, attempt
from omniroute.gateway.reservations import Claims
from omniroute.gateway.reserve import Reserved, reserve_target
from omniroute.gateway.understand import Understood
from omniroute.ledger.record import AttemptRecord
from omniroute.request.inflight import InFlight
from omniroute.routing.attempts import GiveUp, Try, Wait
from omniroute.routing.values import Candidate
from omniroute.state.kept import recall
from omniroute.translation.values import Failure, Target


class Won(Struct, frozen=True, kw_only=True):
    """The attempt that answers the request."""

    answer: Answered | Begun
    candidate: Candidate
    number: int
    passed: bool
    """It was made in the client's own format, and so is known to its provider as it is."""


async def first_answer(
    flight: InFlight, understood: Understood, reserved: Reserved, claims: Claims | None
) -> Won:
    """Drive the attempts until one answers. Raises RequestError when none does."""
    attempts = reserved.attempts
    while True:
        match attempts.next(flight.now_s()):
            case Wait() as wait:
                await _wait(wait)
            case GiveUp(error):
                raise error
            case Try(candidate, number):
                if claims is not None:
                    admit = reserved.admit
                    spent = await reserve_target(flight, understood, admit, candidate, claims)
                    if spent is not None:
                        # Our own budget: the provider's health has nothing to do with it.
                        attempts.refused(spent, flight.now_s())
                        continue
                ask = await ask_of(flight, understood, reserved.admit, candidate)
                answer = await _try(flight, candidate, number, ask)
                now_s = flight.now_s()
                match answer:
                    case Failure():
                        attempts.failed(answer, now_s)
                        continue
                    case Answered():
                        attempts.succeeded(now_s)
                    case Begun():
                        attempts.answered(now_s)
                passed = ask.pair.passthrough
                return Won(answer=answer, candidate=candidate, number=number, passed=passed)


async def ask_of(
    flight: InFlight, understood: Understood, admit: Admit, candidate: Candidate
) -> Ask:
    """The attempt as a value, with what this key's earlier answers left behind."""
    snapshot, inbound, trace = flight.snapshot, flight.inbound, flight.trace
    outlet = snapshot.outlets[candidate.connection_key]
    recalled: Mapping[str, Any] = {}
    calls = understood.facts.calls
    if calls:
        now_s = trace.started.timestamp()
        recalled = await recall(flight.services.store, trace.key, calls, now_s)
    declared = candidate.declared
    pair = snapshot.formats.pair(inbound.format, outlet.format)
    body = understood.continued.for_provider(candidate.provider.id, passed=pair.passthrough)
    return Ask(
        pair=pair,
        outlet=outlet,
        target=Target(
            provider=candidate.provider.id,
            model=candidate.upstream_model,
            stream=trace.stream,
            capabilities=candidate.capabilities,
            context_window=candidate.window,
            max_output_tokens=None if declared is None else declared.max_output_tokens,
            set_fields=fields_for_model(admit.set_fields, candidate.capabilities),
            framing=inbound.stream_framing,
            asked_stream=understood.facts.stream,
            recalled=recalled,
            now_s=int(trace.started.timestamp()),
            seed=f"{flight.services.rng.getrandbits(96):x}",
        ),
        body=body,
        raw=inbound.body if body is understood.body else b"",
        client_headers=inbound.headers,
        request_id=inbound.request_id,
        deadline=flight.deadline,
    )


async def _try(
    flight: InFlight, candidate: Candidate, number: int, ask: Ask
) -> Answered | Begun | Failure:
    """One attempt and its answer; a Failure when nothing has reached the client."""
    services, trace = flight.services, flight.trace
    trace.provider = candidate.provider.id
    trace.connection = candidate.connection.id
    trace.upstream_model = candidate.upstream_model
    started = services.clock.now()
    began_s = flight.now_s()
    seen: Answered | Begun | AttemptFailedError
    try:
        seen = await attempt(ask, services.transports.get(ask.outlet.transport))
    except AttemptFailedError as error:
        seen = error
    except TranslationError as error:
        raise RequestError("invalid_request", error.message, param=error.param) from None
    _note(flight, candidate, number, started, began_s, seen)
    services.live.learn(candidate, seen.headers, now_s=flight.now_s(), now=services.clock.now())
    return seen.failure if isinstance(seen, AttemptFailedError) else seen


def _note(
    flight: InFlight,
    candidate: Candidate,
    number: int,
    started: datetime,
    began_s: float,
    seen: Answered | Begun | AttemptFailedError,
) -> None:
    """The attempt's own row; for a stream it ends where the relay begins."""
    took_ms = (flight.now_s() - began_s) * 1000
    failure = seen.failure if isinstance(seen, AttemptFailedError) else None
    flight.trace.upstream_ms += took_ms
    flight.trace.attempts.append(
        AttemptRecord(
            n=number,
            provider=candidate.provider.id,
            connection=candidate.connection.id,
            model=candidate.upstream_model,
            started=started,
            total_ms=round(took_ms, 3),
            first_byte_ms=round(seen.first_byte_ms, 3) if seen.first_byte_ms else None,
            status=seen.status,
            error_class=failure.kind if failure else None,
            reason=redact(failure.message, flight.snapshot.secrets) if failure else None,
        )
    )


async def _wait(wait: Wait) -> None:
    """Sleep, or wake as soon as the queue's ticket is granted."""
    if wait.ticket is None:
        await asyncio.sleep(wait.seconds)
        return
    granted = asyncio.Event()
    wait.ticket.wake = granted.set
    if wait.ticket.granted:
        return
    try:
        async with asyncio.timeout(wait.seconds):
            await granted.wait()
    except TimeoutError:
        return  # the machine decides what that means
