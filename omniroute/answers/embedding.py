"""The vector of a question, from the model that the configuration names.

Never the reason why a request fails: whatever goes wrong, or takes longer than the bound, the
request goes on without it. What it costs is reserved from the caller's budgets, and written down
as a record of its own, of the kind `embedding`, whose id is the request's with `-embedding`.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Final

import msgspec

from omniroute.admission.gate import reservation, target_reservation, unpriced
from omniroute.admission.values import Admit
from omniroute.answers.semantic import SemanticIndex
from omniroute.catalog.tokens import estimate_tokens
from omniroute.errors import RequestError, TranslationError, UpstreamError, UpstreamTimeoutError
from omniroute.ledger.record import RequestRecord
from omniroute.request.cost import cost_of
from omniroute.request.provider import read_whole, refused, request_to
from omniroute.request.request import Request
from omniroute.routing.plan import RouteFacts, plan
from omniroute.routing.resolve import resolve
from omniroute.routing.retry import failure_of
from omniroute.routing.values import Candidate
from omniroute.state.store import Reservation, Shortage
from omniroute.translation.values import Embedded, Embedder, Failure, Usage

MAX_TEXT_CHARS: Final = 24_000  # some 8,000 tokens, the most that common models take
MAX_BODY_BYTES: Final = 4 << 20
MAX_TRIES: Final = 2
_OWN_FAULT: Final = frozenset({"invalid_request", "too_large", "context_length", "unprocessable"})
"""Failures that say something about this text, not about the model."""


class NoVectorError(Exception):
    """The model gave none; nobody outside this module sees it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Embedding:
    """One request's question on its way to a vector."""

    def __init__(self, request: Request, admit: Admit, semantic: SemanticIndex) -> None:
        self._request = request
        self._snapshot = request.snapshot
        self._services = request.services
        self._inbound = request.inbound
        self._semantic = semantic
        self._admit = admit
        self._settings = request.snapshot.config.cache.semantic
        self._loop = asyncio.get_running_loop()

    async def of(self, text: str) -> bytes | None:
        """Little-endian 32-bit floats; None to go on without."""
        semantic = self._semantic
        if len(text) > MAX_TEXT_CHARS or semantic.resting(self._loop.time()):
            return None
        try:
            vector = await self._first_of(self._candidates(), text)
        except NoVectorError as error:
            semantic.without(error.failure.kind)
            if error.failure.kind not in _OWN_FAULT:
                semantic.failed(error.failure.message, self._loop.time())
            return None
        except RequestError as error:  # no candidate can serve it
            semantic.without(error.kind)
            semantic.failed(error.message, self._loop.time())
            return None
        if vector is not None:
            semantic.works()
        return vector

    def _candidates(self) -> tuple[Candidate, ...]:
        """Raises RequestError."""
        resolved = resolve(self._snapshot.index, self._settings.embedding_model)
        services = self._services
        planned = plan(
            resolved,
            RouteFacts(kind="embedding", formats=self._snapshot.formats.speaking["embedding"]),
            services.live,
            now_s=self._loop.time(),
            rng=services.rng,
        )
        return planned.candidates[:MAX_TRIES]

    async def _first_of(self, candidates: tuple[Candidate, ...], text: str) -> bytes | None:
        """Raises NoVectorError of the last one that was tried."""
        ends_s = self._loop.time() + self._settings.timeout_s
        failure = Failure(kind="unavailable", status=503, message="no connection is ready")
        for candidate in candidates:
            try:
                return await self._within_budget(candidate, text, ends_s)
            except NoVectorError as error:
                failure = error.failure
                if failure.kind in _OWN_FAULT:
                    break
        raise NoVectorError(failure)

    async def _within_budget(self, candidate: Candidate, text: str, ends_s: float) -> bytes | None:
        """None where a budget has no room, or cannot count it; the request itself hears of that."""
        services, clock = self._services, self._services.clock
        estimate = cost_of(
            candidate, Usage(input_uncached=estimate_tokens(text), output=0), clock.now()
        )
        cost_nanousd = 0 if estimate is None else estimate[0]
        now = clock.now()
        admission, caller = self._snapshot.admission, self._admit
        provider = candidate.provider.id
        model = candidate.model.removeprefix(f"{provider}/")
        if estimate is None and unpriced(admission, caller, provider=provider, model=model):
            return None
        wanted = reservation(
            admission, caller, input_tokens=0, output_tokens=0, cost_nanousd=cost_nanousd, now=now
        )
        own = target_reservation(
            admission,
            caller,
            provider=provider,
            model=model,
            cost_nanousd=cost_nanousd,
            now=now,
        )
        # Only money: the embedding is not the caller's request, so it takes none of its windows.
        taken = await services.store.take(
            Reservation(budgets=wanted.budgets + own.budgets), now.timestamp()
        )
        if isinstance(taken, Shortage):
            return None
        spent_nanousd: int | None = 0
        try:
            found, spent_nanousd = await self._ask(candidate, text, ends_s)
        finally:
            await services.store.settle(
                taken, now_s=clock.now().timestamp(), cost_nanousd=spent_nanousd
            )
        return struct.pack(f"<{len(found.vector)}f", *found.vector)

    async def _ask(
        self, candidate: Candidate, text: str, ends_s: float
    ) -> tuple[Embedded, int | None]:
        """The answer and its cost; either way there is a record of it. Raises NoVectorError."""
        began_s, time = self._loop.time(), self._services.clock.now()
        record = RequestRecord(
            request_id=f"{self._inbound.request_id}-embedding",
            time=time,
            path=self._inbound.path,
            client_format=self._inbound.format,
            status=200,
            total_ms=0.0,
            config_digest=self._snapshot.digest,
            key=self._admit.caller.key_id,
            tags=self._admit.caller.tags,
            client_ip=self._inbound.client_ip,
            kind="embedding",
            requested_model=self._settings.embedding_model,
            provider=candidate.provider.id,
            connection=candidate.connection.id,
            upstream_model=candidate.upstream_model,
            decided_by="cache.semantic",
        )
        change = msgspec.structs.replace
        try:
            found = await self._exchange(candidate, text, ends_s)
            cost = cost_of(candidate, msgspec.structs.replace(found.usage, output=0), time)
            if cost is not None:
                record = change(record, cost_nanousd=cost[0], price_source=cost[1])
            record = change(record, input_uncached=found.usage.input_uncached)
        except NoVectorError as error:
            failure = error.failure
            record = change(
                record,
                status=failure.status,
                error_class=failure.kind,
                error_message=failure.message,
            )
            raise
        finally:
            took_ms = round((self._loop.time() - began_s) * 1000, 3)
            self._services.append(change(record, total_ms=took_ms, upstream_ms=took_ms))
        return found, None if cost is None else cost[0]

    async def _exchange(self, candidate: Candidate, text: str, ends_s: float) -> Embedded:
        """Raises NoVectorError."""
        outlet = self._snapshot.outlets[candidate.connection_key]
        embedder = self._snapshot.formats.embedder(outlet.format)
        if embedder is None:
            message = f"the format {outlet.format} has no embeddings"
            raise NoVectorError(Failure(kind="unavailable", status=503, message=message))
        try:
            async with asyncio.timeout_at(ends_s):
                return await self._send(candidate, embedder, text)
        except TimeoutError:
            late = UpstreamTimeoutError("the embedding model takes too long", phase="total")
            raise NoVectorError(failure_of(late)) from None
        except UpstreamError as error:
            raise NoVectorError(failure_of(error)) from error
        except TranslationError as error:
            failure = Failure(kind="invalid_request", status=400, message=error.message)
            raise NoVectorError(failure) from error

    async def _send(self, candidate: Candidate, embedder: Embedder, text: str) -> Embedded:
        outlet = self._snapshot.outlets[candidate.connection_key]
        outbound = embedder.request(text, candidate.upstream_model)
        own = (("x-request-id", self._inbound.request_id),)
        request = request_to(outlet, outbound, own=own, model=candidate.upstream_model)
        transport = self._services.transports.get(outlet.transport)
        exchange = await transport.open(request, outlet.bounds())
        try:
            if 200 <= exchange.status < 300:
                return embedder.reply(await read_whole(exchange, limit_bytes=MAX_BODY_BYTES))
            pair = self._snapshot.formats.pair(outlet.format, outlet.format)
            raise NoVectorError(await refused(exchange, pair, self._snapshot.redact))
        finally:
            await exchange.close()
