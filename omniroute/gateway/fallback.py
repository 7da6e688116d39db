"""From attempt to attempt, until one answers or nothing is left to try."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict

from omniroute.admission.settings import fields_for_model
from omniroute.admission.values import Admit, Warned
from omniroute.decision.values import Routed, World
from omniroute.errors import RequestError, TranslationError
from omniroute.gateway.attempt import Answered, Ask, AttemptFailedError, Begun, attempt
from omniroute.gateway.reservations import Reservations
from omniroute.gateway.reserve import reserve_target
from omniroute.ledger.record import AttemptRecord
from omniroute.request.provider import returned
from omniroute.request.request import Request
from omniroute.routing.attempts import Attempts, GiveUp, Try, Wait
from omniroute.routing.values import Candidate
from omniroute.state.kept import recall
from omniroute.translation.values import Destination, Failure

_NO_QUIRKS: Final[Mapping[str, Any]] = {}


class Won(Struct, frozen=True, kw_only=True):
    """The attempt that answers the request."""

    answer: Answered | Begun
    candidate: Candidate
    number: int
    passed: bool
    """It was made in the client's own format, and so is known to its provider as it is."""
    returned: Mapping[str, str]
    """Of the provider's headers those that are its client's."""
    warnings: tuple[Warned, ...]
    """What the client should hear of."""


async def first_answer(
    request: Request,
    world: World,
    routed: Routed,
    attempts: Attempts,
    reservations: Reservations | None,
) -> Won:
    """Drive the attempts until one answers. Raises RequestError when none does."""
    while True:
        match attempts.next(request.now_s()):
            case Wait() as wait:
                await _wait(wait)
            case GiveUp(error):
                raise error
            case Try(candidate, number):
                if reservations is not None:
                    spent = await reserve_target(request, world, routed, candidate, reservations)
                    if spent is not None:
                        # Our own budget: the provider's health has nothing to do with it.
                        attempts.refused(spent, request.now_s())
                        continue
                ask = await ask_of(request, routed.admit, candidate)
                answer = await _try(request, candidate, number, ask)
                now_s = request.now_s()
                match answer:
                    case Failure():
                        attempts.failed(answer, now_s)
                        continue
                    case Answered():
                        attempts.succeeded(now_s)
                    case Begun():
                        attempts.answered(now_s)
                return Won(
                    answer=answer,
                    candidate=candidate,
                    number=number,
                    passed=ask.pair.passthrough,
                    returned=returned(ask.pair.returns, answer.headers, ask.redact)
                    if ask.pair.returns
                    else {},
                    warnings=routed.admit.warnings,
                )


async def ask_of(request: Request, admit: Admit, candidate: Candidate) -> Ask:
    """The attempt as a value, with what this key's earlier answers left behind."""
    snapshot, inbound, facts = request.snapshot, request.inbound, request.facts
    outlet = snapshot.outlets[candidate.connection_key]
    now_s = request.started.timestamp()
    recalled: Mapping[str, Any] = {}
    if facts.calls:
        recalled = await recall(request.services.store, request.record.key, facts.calls, now_s)
    declared, quirks = candidate.declared, candidate.provider.quirks
    without = frozenset(candidate.provider.omit)
    if request.record.stream:
        without |= request.services.unasked.of(outlet.key, request.now_s())
    pair = snapshot.formats.pair(inbound.format, outlet.format, inbound.kind)
    known = pair.passthrough and candidate.provider.id == request.known_to
    body = request.body if known else request.full
    return Ask(
        pair=pair,
        outlet=outlet,
        target=Destination(
            provider=candidate.provider.id,
            model=candidate.upstream_model,
            stream=request.record.stream,
            capabilities=candidate.capabilities,
            context_window=candidate.window,
            max_output_tokens=None if declared is None else declared.max_output_tokens,
            without=without,
            renamed=candidate.provider.rename,
            quirks=_NO_QUIRKS if quirks is None else asdict(quirks),
            max_inputs=None if declared is None else declared.max_inputs,
            set_fields=fields_for_model(admit.set_fields, candidate.capabilities),
            framing=inbound.stream_framing,
            asked_stream=facts.stream,
            recalled=recalled,
            now_s=int(now_s),
            seed=f"{request.services.rng.getrandbits(96):x}",
        ),
        body=body,
        raw=inbound.body if body is request.body else b"",
        client_headers=inbound.headers,
        request_id=inbound.request_id,
        deadline=request.deadline,
        redact=snapshot.redact,
        unasked=request.services.unasked,
        heavy=request.services.heavy,
        is_big=request.is_big,
        file=inbound.upload,
    )


async def _try(
    request: Request, candidate: Candidate, number: int, ask: Ask
) -> Answered | Begun | Failure:
    """One attempt and its answer; a Failure when nothing has reached the client."""
    services, record = request.services, request.record
    record.provider = candidate.provider.id
    record.connection = candidate.connection.id
    record.upstream_model = candidate.upstream_model
    started = services.clock.now()
    began_s = request.now_s()
    seen: Answered | Begun | AttemptFailedError
    try:
        seen = await attempt(ask, services.transports.get(ask.outlet.transport))
    except AttemptFailedError as error:
        seen = error.with_traceback(None)  # which would hold this frame, and so the request
    except TranslationError as error:
        raise RequestError("invalid_request", error.message, param=error.param) from None
    _note(request, candidate, number, started, began_s, seen)
    services.live.learn(candidate, seen.headers, now_s=request.now_s(), now=services.clock.now())
    return seen.failure if isinstance(seen, AttemptFailedError) else seen


def _note(
    request: Request,
    candidate: Candidate,
    number: int,
    started: datetime,
    began_s: float,
    seen: Answered | Begun | AttemptFailedError,
) -> None:
    """The attempt's own row; for a stream it ends where the relay begins."""
    took_ms = (request.now_s() - began_s) * 1000
    failure = seen.failure if isinstance(seen, AttemptFailedError) else None
    request.upstream_ms += took_ms
    named = seen.headers.get("request-id") or seen.headers.get("x-request-id")
    request.record.attempts += (
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
            reason=failure.message if failure else None,
            upstream_request_id=named and request.snapshot.redact(named),
        ),
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
