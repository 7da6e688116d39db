"""One request's life: understand, admit, reserve, attempt, deliver, settle.

Each step either goes on or raises RequestError. Whatever happens, one record is written, and it is
written before the client has seen the end of its answer.
"""

from __future__ import annotations

from omniroute.active.snapshot import Snapshot
from omniroute.admission.values import Admit
from omniroute.answers.cache import KeptAnswers
from omniroute.answers.continued import keep
from omniroute.answers.idempotency import Repeats
from omniroute.answers.semantic import Meanings
from omniroute.gateway.attempt import Answered
from omniroute.gateway.deliver import Origin, reply, stream_on, tried_headers
from omniroute.gateway.fallback import first_answer
from omniroute.gateway.reservations import Claims
from omniroute.gateway.reserve import ReroutedError, reserve, settle
from omniroute.gateway.understand import Understood, admit, look_back, understand
from omniroute.request.call import Inbound, Opener, Whole
from omniroute.request.inflight import InFlight
from omniroute.request.services import Services
from omniroute.request.trace import Trace


class Run:
    """One request on its way through the steps."""

    def __init__(
        self,
        services: Services,
        semantic: Meanings,
        snapshot: Snapshot,
        inbound: Inbound,
    ) -> None:
        self._semantic = semantic
        self._flight = InFlight(services, snapshot, inbound)

    @property
    def trace(self) -> Trace:
        return self._flight.trace

    def write(self) -> None:
        """Append the record, once."""
        self._flight.write()

    def tried_headers(self) -> dict[str, str]:
        """What a failed request tells of its way: the configuration, and who was tried last."""
        return tried_headers(self._flight)

    async def answer(self, opener: Opener) -> Whole | None:
        """The answer; None when it went out through a sink of `opener`."""
        flight = self._flight
        understood = await look_back(flight, understand(flight))
        admitted = admit(flight, understood.asked)
        caller = understood.asked.caller
        repeats = Repeats.of(flight.snapshot, flight.services, flight.inbound, caller)
        if repeats is None:
            return await self._answer_once(understood, admitted, opener)
        return await repeats.answer(
            flight.trace, opener, lambda sink: self._answer_once(understood, admitted, sink)
        )

    async def _answer_once(
        self, understood: Understood, admitted: Admit, opener: Opener
    ) -> Whole | None:
        """From the cache, or by asking a provider."""
        flight = self._flight
        kept = KeptAnswers.of(
            flight.snapshot,
            flight.services,
            flight.inbound,
            admitted,
            flight.trace,
            understood.facts,
            understood.body,
            self._semantic,
        )
        if kept is not None:
            hit = await kept.find()
            if hit is not None:
                flight.write()
                await keep(flight, understood.continued, kept.whole())
                return hit
            opener = kept.record(opener)
        claims = Claims.of(flight.services, flight.snapshot.admission, admitted)
        try:
            answer = await self._ask_providers(understood, admitted, claims, opener)
        finally:
            if claims is not None:
                await settle(flight, claims)
        if kept is not None:
            await kept.keep(answer)
        return answer

    async def _ask_providers(
        self, understood: Understood, admitted: Admit, claims: Claims | None, opener: Opener
    ) -> Whole | None:
        """Reserve and attempt; again when a target's budget sends the request elsewhere."""
        flight = self._flight
        while True:
            reserved = await reserve(flight, understood, admitted, claims)
            try:
                won = await first_answer(flight, understood, reserved, claims)
                warnings = dict.fromkeys(one.source for one in reserved.admit.warnings)
                origin = Origin(
                    candidate=won.candidate,
                    number=won.number,
                    continued=understood.continued,
                    passed=won.passed,
                    warnings=",".join(warnings),
                )
                if isinstance(won.answer, Answered):
                    return await reply(flight, won.answer, origin)
                return await stream_on(flight, won.answer, reserved.attempts, origin, opener)
            except ReroutedError as rerouted:
                admitted = rerouted.admit  # that budget is lifted: the loop ends with the budgets
            finally:
                reserved.attempts.close(flight.now_s())
