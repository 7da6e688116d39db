"""One request's life: identify, read, resolve, admit, claim, plan, attempt, relay.

Each step either goes on or raises RequestError. Whatever happens, one record is written, and it is
written before the client has seen the end of its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from omniroute.admission.gate import (
    DEFAULT_OUTPUT_TOKENS,
    after_shortage,
    decide,
    identify,
)
from omniroute.admission.policy import context_of
from omniroute.admission.values import Admit, Caller, Refuse, RequestFacts
from omniroute.base.secret import redact
from omniroute.catalog.tokens import estimate_request
from omniroute.errors import RequestError, TranslationError, UpstreamError
from omniroute.gateway.attempt import Answered, Ask, AttemptFailedError, Begun, attempt
from omniroute.gateway.body import parse_body
from omniroute.gateway.cached import KeptAnswers
from omniroute.gateway.call import Inbound, Opener, Sink, Whole
from omniroute.gateway.claims import Claims
from omniroute.gateway.cost import cost_of
from omniroute.gateway.progress import HEADER as PROGRESS_HEADER
from omniroute.gateway.progress import ProgressSink, wants_progress
from omniroute.gateway.relay import relay
from omniroute.gateway.repeats import Repeats
from omniroute.gateway.services import Services
from omniroute.gateway.snapshot import Snapshot
from omniroute.gateway.trace import Trace
from omniroute.ledger.record import AttemptRecord
from omniroute.routing.attempts import Attempts, GiveUp, Try, Wait
from omniroute.routing.plan import RouteFacts, plan
from omniroute.routing.resolve import resolve, resolve_for_provider
from omniroute.routing.values import Branch, Candidate, Resolved
from omniroute.state.kept import recall, remember
from omniroute.translation.values import ClientFormat, Facts, Failure, Stream, Target, Usage

EOF_WAIT_S: Final = 0.05
"""After a stream's own end marker, how long its connection may take to become reusable."""


CREDENTIALS: Final = frozenset(
    {"authorization", "proxy-authorization", "cookie", "x-api-key", "x-goog-api-key"}
)
MAX_DEGRADED: Final = 8
"""Each degradation lifts one budget; more are a circle."""


class Run:
    """One request on its way through the steps."""

    def __init__(self, services: Services, snapshot: Snapshot, inbound: Inbound) -> None:
        self._services = services
        self._snapshot = snapshot
        self._inbound = inbound
        self._written = False
        self._warnings = ""
        """Policies and budgets that the client should hear of."""
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + snapshot.config.server.request_timeout_s
        self._input_tokens = 0
        self.trace = Trace(inbound, digest=snapshot.digest, clock=services.clock)

    async def answer(self, opener: Opener) -> Whole | None:
        caller, body, facts, resolved = self._understand()
        if self._asks_for_tokens(caller, resolved):
            self._input_tokens = estimate_request(body)
        asked = self._asked(caller, facts, resolved)
        admit = self._admit(asked)
        repeats = Repeats.of(self._snapshot, self._services, self._inbound, caller)
        if repeats is None:
            return await self._answer_once(asked, admit, resolved, body, facts, opener)
        return await repeats.answer(
            self.trace,
            opener,
            lambda sink: self._answer_once(asked, admit, resolved, body, facts, sink),
        )

    async def _answer_once(
        self,
        asked: RequestFacts,
        admit: Admit,
        resolved: Resolved,
        body: dict[str, Any],
        facts: Facts,
        opener: Opener,
    ) -> Whole | None:
        """From the cache, or by asking a provider."""
        kept = KeptAnswers.of(
            self._snapshot, self._services, self._inbound, admit, self.trace, facts, body
        )
        hit = await kept.find() if kept is not None else None
        if hit is not None:
            self.write()
            return hit
        claims = Claims(self._services.store, self._snapshot.admission, self._services.clock)
        try:
            answer = await self._ask_providers(asked, admit, resolved, body, facts, claims, opener)
        finally:
            await self._settle(claims)
        if kept is not None and answer is not None:
            await kept.keep(answer)
        return answer

    async def _ask_providers(
        self,
        asked: RequestFacts,
        admit: Admit,
        resolved: Resolved,
        body: dict[str, Any],
        facts: Facts,
        claims: Claims,
        opener: Opener,
    ) -> Whole | None:
        """Reserve and attempt; again when a target's budget sends the request elsewhere."""
        while True:
            attempts, admit = await self._reserve(asked, admit, resolved, facts, claims)
            try:
                return await self._attempt(attempts, admit, body, facts, claims, opener)
            except _ReroutedError as rerouted:
                admit = rerouted.admit  # that budget is lifted: the loop ends with the budgets
            finally:
                attempts.close(self._loop.time())

    def count(self) -> int:
        caller, body, facts, resolved = self._understand()
        self._input_tokens = estimate_request(body)
        self._admit(self._asked(caller, facts, resolved))
        return self._input_tokens

    def _understand(self) -> tuple[Caller, dict[str, Any], Facts, Resolved]:
        """Who asks, what, of which model."""
        caller = self._identify()
        body = parse_body(self._inbound.body)
        client = self._snapshot.formats.client(self._inbound.format)
        facts = self._read(client, body)
        return caller, body, facts, self._resolve(caller, self.trace.model)

    def write(self) -> None:
        """Append the record, once."""
        if self._written:
            return
        self._written = True
        trace = self.trace
        if trace.error_message is not None:
            trace.error_message = redact(trace.error_message, self._snapshot.secrets)
        self._services.append(trace.record())

    def _identify(self) -> Caller:
        inbound = self._inbound
        caller = identify(
            self._snapshot.admission,
            inbound.key,
            ip=inbound.client_ip,
            surface="inference",
            now=self.trace.started,
        )
        if isinstance(caller, Refuse):
            raise self._refused(caller)
        self.trace.key = caller.key_id
        self.trace.tags = caller.tags
        return caller

    def _read(self, client: ClientFormat, body: dict[str, Any]) -> Facts:
        try:
            facts = client.facts(body)
        except TranslationError as error:
            raise RequestError("invalid_request", error.message, param=error.param) from None
        header = self._snapshot.config.usage.session.header.lower()
        self.trace.session = self._inbound.headers.get(header) or facts.session
        self.trace.stream = facts.stream if self._inbound.stream is None else self._inbound.stream
        self.trace.model = self._inbound.model or facts.model
        return facts

    def _resolve(self, caller: Caller | None, name: str | None) -> Resolved:
        """What the name stands for; without a caller, no key's model list is asked."""
        if not name:
            raise RequestError(
                "invalid_request", "the request names no model", param="model", code="model_missing"
            )
        index = self._snapshot.index
        key = caller.key if caller is not None else None
        globs = key.models if key is not None else ()
        if caller is not None and self._inbound.provider is not None:
            return resolve_for_provider(index, self._inbound.provider, name, globs)
        return resolve(index, name, globs)

    def _asks_for_tokens(self, caller: Caller, resolved: Resolved) -> bool:
        """Whether anything depends on the input's size: an estimate of a long one takes a while."""
        admission = self._snapshot.admission
        if admission.policies or admission.book.meters:
            return True
        if caller.key is not None and caller.key.rate_limit.tokens is not None:
            return True
        node = resolved.node
        if isinstance(node, Branch):
            return True
        size = len(self._inbound.body)  # a token has at least one byte
        return any(one.window is not None and size > one.window for one in node.candidates)

    def _asked(self, caller: Caller, facts: Facts, resolved: Resolved) -> RequestFacts:
        """The request as policies see it."""
        inbound = self._inbound
        seen = self._snapshot.admission.policies or isinstance(resolved.node, Branch)
        return RequestFacts(
            caller=caller,
            ip=inbound.client_ip,
            path=inbound.path,
            format=inbound.format,
            model=resolved.id,
            requested=resolved.requested,
            stream=self.trace.stream,
            kind=inbound.kind,
            headers=_shown(inbound.headers) if seen else {},
            input_tokens_estimate=self._input_tokens,
            max_output_tokens=facts.max_output_tokens,
        )

    def _admit(self, asked: RequestFacts) -> Admit:
        decision = decide(self._snapshot.admission, asked, self.trace.started)
        if isinstance(decision, Refuse):
            raise self._refused(decision)
        if decision.routed_by is not None:
            self.trace.decided_by = decision.routed_by
        return decision

    async def _reserve(
        self,
        asked: RequestFacts,
        admit: Admit,
        resolved: Resolved,
        facts: Facts,
        claims: Claims,
    ) -> tuple[Attempts, Admit]:
        """Plan, and take what limits and budgets ask for; a degraded budget plans again."""
        for _ in range(MAX_DEGRADED):
            if admit.model != resolved.id:
                resolved = self._resolve(None, admit.model)
            attempts = self._plan(asked, facts, resolved)
            # The dearest one's estimate, since a fallback may go there.
            planned = (*attempts.plan.candidates, *attempts.plan.resting)
            cost_nanousd = max((self._estimate(one, facts) for one in planned), default=0)
            shortage = await claims.take(
                admit,
                input_tokens=self._input_tokens,
                output_tokens=facts.max_output_tokens,
                cost_nanousd=cost_nanousd,
            )
            if shortage is None:
                self._warnings = ",".join(dict.fromkeys(one.source for one in admit.warnings))
                return attempts, admit
            attempts.close(self._loop.time())
            decision = after_shortage(
                self._snapshot.admission, admit, shortage, self._services.clock.now()
            )
            if isinstance(decision, Refuse):
                raise self._refused(decision)
            admit = decision
            self.trace.decided_by = decision.routed_by
        raise RequestError("budget", "every budget's way out leads to another used-up budget")

    def _estimate(self, candidate: Candidate, facts: Facts) -> int:
        """What an answer may cost, before anybody knows; 0 where no price is known."""
        if not self._snapshot.admission.book:
            return 0
        output = facts.max_output_tokens
        usage = Usage(
            input_uncached=self._input_tokens,
            output=DEFAULT_OUTPUT_TOKENS if output is None else output,
        )
        cost = cost_of(candidate, usage, self.trace.started)
        return 0 if cost is None else cost[0]

    async def _settle(self, claims: Claims) -> None:
        """Replace the estimates by what was used. A broken answer's cost is unknown."""
        trace = self.trace
        usage = trace.usage
        known = [usage.input_uncached, usage.cache_read, usage.cache_write, usage.output]
        tokens = None if usage.output is None else sum(count or 0 for count in known)
        reached = trace.first_byte_ms is not None or trace.error_class == "client_closed"
        events = await claims.settle(
            tokens=tokens if reached else 0, cost_nanousd=trace.cost_nanousd if reached else 0
        )
        for event in events:
            self._services.notify(event)

    def _plan(self, asked: RequestFacts, facts: Facts, resolved: Resolved) -> Attempts:
        now_s = self._loop.time()
        document: Mapping[str, object] = {}
        if isinstance(resolved.node, Branch):
            document = context_of(asked, resolved.id, self.trace.started)
        needs = {"tools": facts.tools, "vision": facts.images}
        route = RouteFacts(
            input_tokens=self._input_tokens,
            output_tokens=facts.max_output_tokens or 0,
            needs=frozenset(name for name, needed in needs.items() if needed),
            kind=self._inbound.kind,
            session=self.trace.session,
            key=asked.caller.key_id,
            document=document,
        )
        services = self._services
        planned = plan(resolved, route, services.live, now_s=now_s, rng=services.rng)
        return Attempts(
            planned, services.live, now_s=now_s, deadline_s=self._deadline, rng=services.rng
        )

    async def _attempt(
        self,
        attempts: Attempts,
        admit: Admit,
        body: dict[str, Any],
        facts: Facts,
        claims: Claims,
        opener: Opener,
    ) -> Whole | None:
        """Drive the attempts until one answers. Raises RequestError when none does."""
        while True:
            match attempts.next(self._loop.time()):
                case Wait() as wait:
                    await _wait(wait)
                case GiveUp(error):
                    raise error
                case Try(candidate, number):
                    spent = await self._spent(candidate, admit, facts, claims)
                    if spent is not None:
                        # Our own budget: the provider's health has nothing to do with it.
                        attempts.refused(spent, self._loop.time())
                        continue
                    ask = await self._ask(candidate, admit, body, facts)
                    answer = await self._try(candidate, number, ask)
                    now_s = self._loop.time()
                    match answer:
                        case Failure():
                            attempts.failed(answer, now_s)
                        case Answered():
                            attempts.succeeded(now_s)
                            return await self._reply(answer, candidate, number)
                        case Begun():
                            attempts.answered(now_s)
                            await self._relay(answer, attempts, candidate, number, opener)
                            return None

    async def _spent(
        self, candidate: Candidate, admit: Admit, facts: Facts, claims: Claims
    ) -> Failure | None:
        """A Failure when the budget of this target has no room; None to go on.

        Raises _ReroutedError when that budget says where to go instead.
        """
        shortage = await claims.take_target(
            admit,
            provider=candidate.provider.id,
            model=candidate.model.removeprefix(f"{candidate.provider.id}/"),
            cost_nanousd=self._estimate(candidate, facts),
        )
        if shortage is None:
            return None
        now = self._services.clock.now()
        decision = after_shortage(self._snapshot.admission, admit, shortage, now)
        if isinstance(decision, Refuse):
            error = self._refused(decision)
            return Failure(kind=error.kind, status=error.status, message=error.message)
        self.trace.decided_by = decision.routed_by
        raise _ReroutedError(decision)

    async def _ask(
        self, candidate: Candidate, admit: Admit, body: dict[str, Any], facts: Facts
    ) -> Ask:
        """The attempt as a value, with what this key's earlier answers left behind."""
        snapshot = self._snapshot
        outlet = snapshot.outlets[candidate.connection_key]
        recalled: Mapping[str, Any] = {}
        if facts.calls:
            now_s = self.trace.started.timestamp()
            recalled = await recall(self._services.store, self.trace.key, facts.calls, now_s)
        declared = candidate.declared
        return Ask(
            pair=snapshot.formats.pair(self._inbound.format, outlet.format),
            outlet=outlet,
            target=Target(
                provider=candidate.provider.id,
                model=candidate.upstream_model,
                stream=self.trace.stream,
                capabilities=candidate.capabilities,
                context_window=candidate.window,
                max_output_tokens=None if declared is None else declared.max_output_tokens,
                set_fields=admit.set_fields,
                framing=self._inbound.stream_framing,
                recalled=recalled,
                now_s=int(self.trace.started.timestamp()),
                seed=f"{self._services.rng.getrandbits(96):x}",
            ),
            body=body,
            raw=self._inbound.body,
            request_id=self._inbound.request_id,
            deadline=self._deadline,
        )

    async def _try(self, candidate: Candidate, number: int, ask: Ask) -> Answered | Begun | Failure:
        """One attempt and its answer; a Failure when nothing has reached the client."""
        self._serving(candidate)
        started = self._services.clock.now()
        began_s = self._loop.time()
        try:
            answer = await attempt(ask, self._services.transports.get(ask.outlet.transport))
        except AttemptFailedError as error:
            self._note(candidate, number, started, began_s, failed=error)
            self._learn(candidate, error.headers)
            return error.failure
        except TranslationError as error:
            raise RequestError("invalid_request", error.message, param=error.param) from None
        self._note(candidate, number, started, began_s, answer=answer)
        self._learn(candidate, answer.headers)
        return answer

    def _learn(self, candidate: Candidate, headers: Mapping[str, str]) -> None:
        services = self._services
        services.live.learn(candidate, headers, now_s=self._loop.time(), now=services.clock.now())

    def _serving(self, candidate: Candidate) -> None:
        self.trace.provider = candidate.provider.id
        self.trace.connection = candidate.connection.id
        self.trace.upstream_model = candidate.upstream_model

    def _note(
        self,
        candidate: Candidate,
        number: int,
        started: datetime,
        began_s: float,
        *,
        answer: Answered | Begun | None = None,
        failed: AttemptFailedError | None = None,
    ) -> None:
        """The attempt's own row; for a stream it ends where the relay begins."""
        took_ms = (self._loop.time() - began_s) * 1000
        seen = answer or failed
        self.trace.upstream_ms += took_ms
        self.trace.attempts.append(
            AttemptRecord(
                n=number,
                provider=candidate.provider.id,
                connection=candidate.connection.id,
                model=candidate.upstream_model,
                started=started,
                total_ms=round(took_ms, 3),
                first_byte_ms=(
                    round(seen.first_byte_ms, 3) if seen and seen.first_byte_ms else None
                ),
                status=seen.status if seen else None,
                error_class=failed.failure.kind if failed else None,
                reason=redact(failed.failure.message, self._snapshot.secrets) if failed else None,
            )
        )

    async def _reply(self, answer: Answered, candidate: Candidate, number: int) -> Whole:
        trace = self.trace
        reply = answer.reply
        trace.first_byte()
        trace.bytes_out = len(reply.body)
        trace.dropped = reply.dropped
        self._account(candidate, reply.usage)
        headers = self._headers(candidate, number, reply.dropped)
        if trace.cost_nanousd is not None:
            headers["X-OmniRoute-Cost"] = f"{trace.cost_nanousd / 1e9:.9f}"
        self.write()
        await self._remember(reply.remember)
        return Whole(status=200, body=reply.body, headers=headers)

    async def _remember(self, left: Mapping[str, Any]) -> None:
        """Keep what the client's format has no place for, for its next turn."""
        if left:
            now_s = self._services.clock.now().timestamp()
            await remember(self._services.store, self.trace.key, left, now_s)

    async def _relay(
        self,
        begun: Begun,
        attempts: Attempts,
        candidate: Candidate,
        number: int,
        opener: Opener,
    ) -> None:
        """Forward a stream to its end. A failure from here on is told inside the stream."""
        stream = begun.stream
        trace = self.trace
        client = self._snapshot.formats.client(self._inbound.format)
        began_s = self._loop.time()

        def settle(failure: Failure | None) -> None:
            trace.upstream_ms += (self._loop.time() - began_s) * 1000
            self._settle_stream(stream, candidate)
            if failure is None:
                attempts.succeeded(self._loop.time())
            else:
                trace.failed(failure)
                attempts.failed(failure, self._loop.time())
            self.write()

        try:
            content_type = client.stream_content_type(self._inbound.stream_framing)
            headers = {
                **self._headers(candidate, number, stream.dropped),
                "Cache-Control": "no-cache",
                "X-Accel-Buffering": "no",
            }
            watched = wants_progress(self._inbound, content_type)
            if watched:
                headers[PROGRESS_HEADER] = "enabled"
            out: Sink = _Counted(await opener(200, headers, content_type), trace)
            if watched:
                out = ProgressSink(
                    out, stream, format=self._inbound.format, elapsed_ms=trace.elapsed_ms
                )
            trace.first_byte()
            await relay(
                begun.exchange,
                stream,
                out,
                held=begun.held,
                ended=begun.ended,
                settle=settle,
            )
            await self._remember(stream.remember)
            if not begun.ended and stream.done:
                await _drain_end(begun)
        finally:
            if not self._written:
                self._settle_stream(stream, candidate)
            await begun.exchange.close()

    def _settle_stream(self, stream: Stream, candidate: Candidate) -> None:
        self.trace.dropped = stream.dropped
        self._account(candidate, stream.usage)

    def _account(self, candidate: Candidate, usage: Usage) -> None:
        trace = self.trace
        trace.usage = usage
        cost = cost_of(candidate, usage, trace.started)
        if cost is not None:
            trace.cost_nanousd, trace.price_source = cost

    def _headers(
        self, candidate: Candidate, number: int, dropped: tuple[str, ...]
    ) -> dict[str, str]:
        headers = {
            "X-Request-Id": self._inbound.request_id,
            "X-OmniRoute-Provider": candidate.provider.id,
            "X-OmniRoute-Model": candidate.model,
            "X-OmniRoute-Connection": candidate.connection.id,
            "X-OmniRoute-Attempts": str(number),
            "X-OmniRoute-Config": self._snapshot.digest,
        }
        if self._warnings:
            headers["X-OmniRoute-Warnings"] = self._warnings
        if dropped:
            headers["X-OmniRoute-Dropped"] = ",".join(dropped)
        return headers

    def _refused(self, refusal: Refuse) -> RequestError:
        where = f" ({refusal.mark})" if refusal.mark is not None else ""
        self.trace.decided_by = refusal.decided_by + where
        return refusal.error


class _ReroutedError(Exception):
    """A target's budget is used up and says where to go instead."""

    def __init__(self, admit: Admit) -> None:
        super().__init__(admit.model)
        self.admit = admit


def _shown(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that expressions may read, by lower-case name: none that carries a credential."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower not in CREDENTIALS:
            found.setdefault(lower, value)
    return found


class _Counted:
    """A sink that counts what went out."""

    def __init__(self, sink: Sink, trace: Trace) -> None:
        self._sink = sink
        self._trace = trace

    async def send(self, data: bytes) -> None:
        self._trace.bytes_out += len(data)
        await self._sink.send(data)

    async def end(self) -> None:
        await self._sink.end()

    def abort(self) -> None:
        self._sink.abort()


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


async def _drain_end(begun: Begun) -> None:
    """Read to the end of a finished stream, so that its connection can be used again."""
    try:
        async with asyncio.timeout(EOF_WAIT_S):
            while await begun.exchange.read():
                continue
    except (TimeoutError, UpstreamError):
        return  # the answer is complete; only the connection is lost
