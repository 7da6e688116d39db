"""A request's life: identify, read, resolve, admit, plan, attempt, relay.

Each step either goes on or raises RequestError. Whatever happens, one record is written, and it is
written before the client has seen the end of its answer.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from omniroute.admission.gate import decide, identify
from omniroute.admission.values import Admit, Caller, Refuse, RequestFacts
from omniroute.base.clock import Clock
from omniroute.base.secret import redact
from omniroute.catalog.tokens import estimate_request
from omniroute.errors import RequestError, TranslationError, UpstreamError
from omniroute.gateway.attempt import Answered, Ask, AttemptFailedError, Begun, attempt
from omniroute.gateway.body import parse_body
from omniroute.gateway.call import Inbound, Opener, Sink, Whole
from omniroute.gateway.cost import cost_of
from omniroute.gateway.relay import relay
from omniroute.gateway.snapshot import Snapshot
from omniroute.gateway.trace import Trace
from omniroute.ledger.record import AttemptRecord, RequestRecord
from omniroute.routing.attempts import Attempts, GiveUp, Try, Wait
from omniroute.routing.live import LiveState
from omniroute.routing.plan import RouteFacts, plan
from omniroute.routing.resolve import resolve
from omniroute.routing.values import Branch, Candidate, Resolved
from omniroute.translation.values import ClientFormat, Facts, Failure, Stream, Target, Usage
from omniroute.upstream.pool import TransportPool

EOF_WAIT_S: Final = 0.05
"""After a stream's own end marker, how long its connection may take to become reusable."""
_LEFT: Final = Failure(kind="client_closed", status=499, message="the client left")
_BUG: Final = Failure(kind="internal", status=500, message="an internal error occurred")


class Pipeline:
    """Serves requests on whatever snapshot is current when they arrive."""

    def __init__(
        self,
        *,
        current: Callable[[], Snapshot],
        transports: TransportPool,
        live: LiveState,
        append: Callable[[RequestRecord], bool],
        clock: Clock,
    ) -> None:
        self.current = current
        self.transports = transports
        self.live = live
        self.append = append
        self.clock = clock
        self.rng = random.Random()  # noqa: S311 - spreads load, guards nothing
        self.in_flight = 0

    async def run(self, inbound: Inbound, opener: Opener) -> Whole | None:
        """The answer; None when it went out through a sink of `opener`. Raises RequestError."""
        run = _Run(self, self.current(), inbound)
        self.in_flight += 1
        try:
            return await run.answer(opener)
        except RequestError as error:
            run.trace.failed(_told(error))
            raise
        except asyncio.CancelledError:
            run.trace.failed(_LEFT)
            raise
        except BaseException:
            run.trace.failed(_BUG)
            raise
        finally:
            self.in_flight -= 1
            run.write()

    def count(self, inbound: Inbound) -> int:
        """Tokens of a request's input, estimated here. Raises RequestError as `run` does.

        Nothing is sent and nothing is recorded: counting is free.
        """
        return _Run(self, self.current(), inbound).count()


class _Run:
    """One request on its way through the steps."""

    def __init__(self, pipeline: Pipeline, snapshot: Snapshot, inbound: Inbound) -> None:
        self._pipeline = pipeline
        self._snapshot = snapshot
        self._inbound = inbound
        self._written = False
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + snapshot.config.server.request_timeout_s
        self._input_tokens = 0
        self.trace = Trace(inbound, digest=snapshot.digest, clock=pipeline.clock)

    async def answer(self, opener: Opener) -> Whole | None:
        caller, body, facts, resolved = self._understand()
        if self._asks_for_tokens(caller, resolved):
            self._input_tokens = estimate_request(body)
        admit = self._admit(caller, facts, resolved)
        if admit.model != resolved.id:
            resolved = self._resolve(None, admit.model)
        attempts = self._plan(caller, facts, resolved)
        try:
            return await self._attempt(attempts, admit, body, opener)
        finally:
            attempts.close(self._loop.time())

    def count(self) -> int:
        caller, body, facts, resolved = self._understand()
        self._input_tokens = estimate_request(body)
        self._admit(caller, facts, resolved)
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
        self._pipeline.append(trace.record())

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
        key = caller.key if caller is not None else None
        return resolve(self._snapshot.index, name, key.models if key is not None else ())

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

    def _admit(self, caller: Caller, facts: Facts, resolved: Resolved) -> Admit:
        inbound = self._inbound
        decision = decide(
            self._snapshot.admission,
            RequestFacts(
                caller=caller,
                ip=inbound.client_ip,
                path=inbound.path,
                format=inbound.format,
                model=resolved.id,
                requested=resolved.requested,
                stream=self.trace.stream,
                kind=inbound.kind,
                headers=inbound.headers,
                input_tokens_estimate=self._input_tokens,
                max_output_tokens=facts.max_output_tokens,
            ),
            self.trace.started,
        )
        if isinstance(decision, Refuse):
            raise self._refused(decision)
        return decision

    def _plan(self, caller: Caller, facts: Facts, resolved: Resolved) -> Attempts:
        now_s = self._loop.time()
        needs = {"tools": facts.tools, "vision": facts.images}
        route = RouteFacts(
            input_tokens=self._input_tokens,
            output_tokens=facts.max_output_tokens or 0,
            needs=frozenset(name for name, needed in needs.items() if needed),
            kind=self._inbound.kind,
            session=self.trace.session,
            key=caller.key_id,
        )
        pipeline = self._pipeline
        planned = plan(resolved, route, pipeline.live, now_s=now_s, rng=pipeline.rng)
        return Attempts(
            planned, pipeline.live, now_s=now_s, deadline_s=self._deadline, rng=pipeline.rng
        )

    async def _attempt(
        self, attempts: Attempts, admit: Admit, body: dict[str, Any], opener: Opener
    ) -> Whole | None:
        """Drive the attempts until one answers. Raises RequestError when none does."""
        while True:
            match attempts.next(self._loop.time()):
                case Wait() as wait:
                    await _wait(wait)
                case GiveUp(error):
                    raise error
                case Try(candidate, number):
                    answer = await self._try(candidate, number, admit, body)
                    now_s = self._loop.time()
                    match answer:
                        case Failure():
                            attempts.failed(answer, now_s)
                        case Answered():
                            attempts.succeeded(now_s)
                            return self._reply(answer, candidate, number)
                        case Begun():
                            attempts.answered(now_s)
                            await self._relay(answer, attempts, candidate, number, opener)
                            return None

    async def _try(
        self, candidate: Candidate, number: int, admit: Admit, body: dict[str, Any]
    ) -> Answered | Begun | Failure:
        """One attempt and its answer; a Failure when nothing has reached the client."""
        snapshot = self._snapshot
        outlet = snapshot.outlets[candidate.connection_key]
        self._serving(candidate)
        ask = Ask(
            pair=snapshot.formats.pair(self._inbound.format, outlet.format),
            outlet=outlet,
            target=Target(
                provider=candidate.provider.id,
                model=candidate.upstream_model,
                stream=self.trace.stream,
                capabilities=candidate.capabilities,
                context_window=candidate.window,
                max_output_tokens=(
                    candidate.declared.max_output_tokens if candidate.declared else None
                ),
                set_fields=admit.set_fields,
                framing=self._inbound.stream_framing,
                now_s=int(self.trace.started.timestamp()),
                seed=f"{self._pipeline.rng.getrandbits(96):x}",
            ),
            body=body,
            raw=self._inbound.body,
            request_id=self._inbound.request_id,
            deadline=self._deadline,
        )
        started = self._pipeline.clock.now()
        began_s = self._loop.time()
        try:
            answer = await attempt(ask, self._pipeline.transports.get(outlet.transport))
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
        pipeline = self._pipeline
        pipeline.live.learn(candidate, headers, now_s=self._loop.time(), now=pipeline.clock.now())

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

    def _reply(self, answer: Answered, candidate: Candidate, number: int) -> Whole:
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
        return Whole(status=200, body=reply.body, headers=headers)

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
            sink = await opener(
                200,
                {
                    **self._headers(candidate, number, stream.dropped),
                    "Cache-Control": "no-cache",
                    "X-Accel-Buffering": "no",
                },
                client.stream_content_type(self._inbound.stream_framing),
            )
            trace.first_byte()
            counted = _Counted(sink, trace)
            await relay(
                begun.exchange,
                stream,
                counted,
                held=begun.held,
                ended=begun.ended,
                settle=settle,
            )
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
        if dropped:
            headers["X-OmniRoute-Dropped"] = ",".join(dropped)
        return headers

    def _refused(self, refusal: Refuse) -> RequestError:
        where = f" ({refusal.mark})" if refusal.mark is not None else ""
        self.trace.decided_by = refusal.decided_by + where
        return refusal.error


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


def _told(error: RequestError) -> Failure:
    """What the client is told, for the record."""
    return Failure(kind=error.kind, status=error.status, message=error.message)
