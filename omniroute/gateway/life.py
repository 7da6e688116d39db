"""A request's life, the steps in order: every request runs on the snapshot that it arrives on.

    understand    who asks, and what                    (key, body, what went before)
    admit         whether it may                        (models of the key, policies)
    repeat        an answer under the same name         (idempotency)
    find          an answer to the same question        (cache)
    reserve       what it may cost, and where it goes   (limits, budgets, plan)
    first_answer  one candidate after the other         (attempts)
    deliver       whole, or as a stream                 (record written before the last byte)
    settle        what it really cost                   (limits, budgets)

Each step either goes on or raises RequestError. Whatever happens, one record is written, and it is
written before the client has seen the end of its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from omniroute.active.snapshot import Snapshot
from omniroute.answers.cache import CachedAnswers
from omniroute.answers.continued import keep
from omniroute.answers.idempotency import Repeats
from omniroute.answers.semantic import SemanticIndex
from omniroute.decision.values import CREDENTIALS, Admitted, World
from omniroute.errors import RequestError
from omniroute.gateway.attempt import Answered
from omniroute.gateway.counting import Counted, count
from omniroute.gateway.deliver import prepared, reply, stream_on, tried_headers
from omniroute.gateway.fallback import first_answer
from omniroute.gateway.reservations import Reservations
from omniroute.gateway.reserve import ReroutedError, reserve, settle
from omniroute.gateway.understand import admit, identify, understand
from omniroute.request.inbound import Inbound, Opener, Whole
from omniroute.request.request import Request
from omniroute.request.services import Services
from omniroute.translation.values import Failure

_LEFT: Final = Failure(kind="client_closed", status=499, message="the client left")
_BUG: Final = Failure(kind="internal", status=500, message="an internal error occurred")


class Pipeline:
    """Counts what is running, and sees to it that every request leaves a record."""

    def __init__(
        self, *, current: Callable[[], Snapshot], services: Services, semantic: SemanticIndex
    ) -> None:
        self._current = current
        self._services = services
        self._semantic = semantic
        self.in_flight = 0
        self._world: World | None = None

    async def run(self, inbound: Inbound, opener: Opener) -> Whole | None:
        """The answer; None when it went out through a sink of `opener`. Raises RequestError."""
        request = Request(self._services, self._current(), inbound)
        self.in_flight += 1
        try:
            return await self._answer(request, opener)
        except RequestError as error:
            request.failed(Failure(kind=error.kind, status=error.status, message=error.message))
            error.headers = {**tried_headers(request), **error.headers}
            raise
        except asyncio.CancelledError:
            request.failed(_LEFT)
            raise
        except BaseException:
            request.failed(_BUG)
            raise
        finally:
            self.in_flight -= 1
            request.write()

    def refuse_stranger(self, inbound: Inbound) -> None:
        """Raises RequestError, and leaves a record, when a caller is refused whatever it asks."""
        request = Request(self._services, self._current(), inbound)
        try:
            identify(request)
        except RequestError as error:
            request.failed(Failure(kind=error.kind, status=error.status, message=error.message))
            request.write()
            raise

    async def count(self, inbound: Inbound) -> Counted:
        """Tokens of a request's input. Raises RequestError as `run` does."""
        request = Request(self._services, self._current(), inbound)
        return await count(request, self._world_of(request))

    def _world_of(self, request: Request) -> World:
        """What decisions on the request's snapshot are made in; kept for the next request."""
        snapshot, kept = request.snapshot, self._world
        if kept is None or kept.index is not snapshot.index:
            services = self._services
            kept = self._world = World(
                admission=snapshot.admission,
                index=snapshot.index,
                live=services.live,
                rng=services.rng,
                reached=snapshot.formats.reached,
                hidden=CREDENTIALS.union(snapshot.formats.key_places.headers),
            )
        return kept

    async def _answer(self, request: Request, opener: Opener) -> Whole | None:
        world = self._world_of(request)
        admitted = admit(request, world, await understand(request))
        if request.inbound.prepares:
            return prepared(request)
        caller = admitted.inquiry.caller
        repeats = (
            await request.services.heavy.run(lambda: Repeats.of(request, caller))
            if request.is_big
            else Repeats.of(request, caller)
        )
        if repeats is None:
            return await self._find_or_ask(request, world, admitted, opener)
        return await repeats.answer(
            opener, lambda sink: self._find_or_ask(request, world, admitted, sink)
        )

    async def _find_or_ask(
        self, request: Request, world: World, admitted: Admitted, opener: Opener
    ) -> Whole | None:
        cached = (
            await request.services.heavy.run(
                lambda: CachedAnswers.of(request, admitted.admit, self._semantic)
            )
            if request.is_big
            else CachedAnswers.of(request, admitted.admit, self._semantic)
        )
        if cached is None:
            return await _reserve_and_ask(request, world, admitted, opener)
        hit = await cached.find()
        if hit is not None:
            request.write()
            await keep(request, cached.whole())
            return hit
        answer = await _reserve_and_ask(request, world, admitted, cached.record(opener))
        await cached.keep(answer)
        return answer


async def _reserve_and_ask(
    request: Request, world: World, admitted: Admitted, opener: Opener
) -> Whole | None:
    reservations = Reservations.of(request, admitted.admit)
    try:
        return await _ask(request, world, admitted, reservations, opener)
    finally:
        if reservations is not None:
            await settle(request, reservations)


async def _ask(
    request: Request,
    world: World,
    admitted: Admitted,
    reservations: Reservations | None,
    opener: Opener,
) -> Whole | None:
    """Reserve and attempt; again when a target's budget sends the request elsewhere."""
    after = None
    while True:
        routed, attempts = await reserve(request, world, admitted, reservations, after=after)
        try:
            won = await first_answer(request, world, routed, attempts, reservations)
            if isinstance(won.answer, Answered):
                return await reply(request, won.answer, won)
            return await stream_on(request, won.answer, won, attempts, opener)
        except ReroutedError as rerouted:
            after = rerouted.admit  # that budget is lifted: the loop ends with the budgets
        finally:
            attempts.close(request.now_s())
