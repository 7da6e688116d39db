"""The winning attempt's answer to the client: a whole reply, or a stream to its end.

The record is written before the last byte: what a client has seen to the end is in the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from omniroute.answers.continued import keep
from omniroute.base.chosen import listed
from omniroute.errors import UpstreamError
from omniroute.gateway.attempt import Answered, Begun
from omniroute.gateway.fallback import Won
from omniroute.gateway.progress import HEADER as PROGRESS_HEADER
from omniroute.gateway.progress import ProgressSink, wants_progress
from omniroute.gateway.relay import relay
from omniroute.ledger.record import RequestRecord
from omniroute.request.cost import cost_of, saved_of
from omniroute.request.estimate import COUNTED, estimated
from omniroute.request.inbound import Opener, Sink, Whole
from omniroute.request.request import Request
from omniroute.routing.attempts import Attempts
from omniroute.routing.values import Candidate
from omniroute.state.kept import remember
from omniroute.translation.values import Destination, Failure, Usage

_LISTED_CHARS: Final = 1024
"""Of a header that lists names: clients choose those of fields."""
EOF_WAIT_S: Final = 0.05
"""After a stream's own end marker, how long its connection may take to become reusable."""


async def reply(request: Request, answer: Answered, won: Won) -> Whole:
    """The whole answer, recorded."""
    record, said = request.record, answer.reply
    request.first_byte()
    record.bytes_out = len(said.body)
    record.dropped = _joined(answer.dropped, said.dropped)
    _account(request, won.candidate, said.usage, lambda: said.estimate or 0)
    headers = _headers(request, won, record.dropped)
    if record.cost_nanousd is not None:
        headers["X-OmniRoute-Cost"] = f"{record.cost_nanousd / 1e9:.9f}"
    request.write()
    await _leave(request, won, said.remember, said.body)
    return Whole(status=200, body=said.body, headers=headers, content_type=said.content_type)


def prepared(request: Request) -> Whole:
    """The events of an answer in which nothing is said, recorded; no provider is asked for it."""
    inbound, client = request.inbound, request.client
    if client.socket is None:
        raise TypeError(f"{client.name} prepares no answers")
    target = Destination(
        provider="",
        model=request.record.requested_model or "",
        stream=True,
        framing=inbound.stream_framing,
        now_s=int(request.started.timestamp()),
        seed=f"{request.services.rng.getrandbits(96):x}",
    )
    body = client.socket.prepared(request.full, target)
    request.first_byte()
    request.record.bytes_out = len(body)
    request.write()
    return Whole(status=200, body=body, headers={})


async def stream_on(
    request: Request, begun: Begun, won: Won, attempts: Attempts, opener: Opener
) -> None:
    """Forward a stream to its end. A failure from here on is told inside the stream."""
    stream, record = begun.stream, request.record
    began_s = request.now_s()

    async def settle(failure: Failure | None, left_bytes: int) -> None:
        now_s = request.now_s()
        request.upstream_ms += (now_s - began_s) * 1000
        _account_stream(request, begun, won.candidate)
        record.bytes_out += left_bytes
        if failure is None:
            attempts.succeeded(now_s)
        else:
            request.failed(failure)
            attempts.failed(failure, now_s)
        request.write()
        if failure is None:
            await _leave(request, won, stream.remember, stream.whole)

    try:
        sink = await _open(request, begun, won, opener)
        request.first_byte()
        line = request.services.alive.watch(stream, sink, record)
        try:
            await relay(
                begun.exchange,
                stream,
                sink,
                held=begun.held,
                ended=begun.ended,
                redact=request.snapshot.redact,
                settle=settle,
            )
        finally:
            request.services.alive.leave(line)
        if not begun.ended and stream.done:
            await _drain_end(begun)
    finally:
        if not request.written:
            _account_stream(request, begun, won.candidate)
        await begun.exchange.close()


async def _open(request: Request, begun: Begun, won: Won, opener: Opener) -> Sink:
    """Send the head; what goes into the sink is counted and, where asked for, tells progress."""
    inbound, stream = request.inbound, begun.stream
    client = request.client
    given = request.snapshot.redact(begun.headers.get("content-type", ""))
    content_type = client.stream_content_type(inbound.stream_framing, given=given)
    headers = {
        **_headers(request, won, _joined(begun.dropped, stream.dropped)),
        "Cache-Control": "no-cache",
        "X-Accel-Buffering": "no",
    }
    watched = wants_progress(inbound, content_type)
    if watched:
        headers[PROGRESS_HEADER] = "enabled"
    sink: Sink = _Counted(await opener(200, headers, content_type), request.record)
    if watched:
        sink = ProgressSink(sink, stream, client=client, elapsed_ms=request.elapsed_ms)
    return sink


def tried_headers(request: Request) -> dict[str, str]:
    """Of a request that no provider answered: where it was sent last, and how often it was sent."""
    attempts = request.record.attempts
    headers = {
        "X-OmniRoute-Attempts": str(len(attempts)),
        "X-OmniRoute-Config": request.snapshot.digest,
    }
    if attempts:
        last = attempts[-1]
        headers["X-OmniRoute-Provider"] = last.provider
        headers["X-OmniRoute-Model"] = f"{last.provider}/{last.model}"
        headers["X-OmniRoute-Connection"] = last.connection
    return headers


def _headers(request: Request, won: Won, dropped: tuple[str, ...]) -> dict[str, str]:
    candidate = won.candidate
    headers = {
        "X-Request-Id": request.inbound.request_id,
        "X-OmniRoute-Provider": candidate.provider.id,
        "X-OmniRoute-Model": candidate.model,
        "X-OmniRoute-Connection": candidate.connection.id,
        "X-OmniRoute-Attempts": str(won.number),
        "X-OmniRoute-Config": request.snapshot.digest,
        **won.returned,
    }
    if won.warnings:
        sources = dict.fromkeys(warned.source for warned in won.warnings)
        headers["X-OmniRoute-Warnings"] = listed(tuple(sources), _LISTED_CHARS)
    if dropped:
        headers["X-OmniRoute-Dropped"] = listed(dropped, _LISTED_CHARS)
    return headers


def _account_stream(request: Request, begun: Begun, candidate: Candidate) -> None:
    request.record.dropped = _joined(begun.dropped, begun.stream.dropped)
    _account(request, candidate, begun.stream.usage, begun.stream.estimate)
    if begun.stream.malformed:
        request.services.skipped(candidate.provider.id, begun.stream.malformed)


def _joined(asked: tuple[str, ...], said: tuple[str, ...]) -> tuple[str, ...]:
    """What was dropped of the request and of the answer, each named once."""
    return tuple(dict.fromkeys((*asked, *said)))


def _account(
    request: Request, candidate: Candidate, usage: Usage, output: Callable[[], int]
) -> None:
    """Usage and cost; where the provider did not count, `output` estimates what it said."""
    counted = request.inbound.kind in COUNTED
    filled = estimated(usage, request.input_tokens, output) if counted else None
    if filled is not None:
        usage, request.record.usage_estimated = filled, True
    request.used(usage)
    cost = cost_of(candidate, usage, request.started)
    if cost is not None:
        request.record.cost_nanousd, request.record.price_source = cost
        if usage.cache_read or usage.cache_write:
            saved = saved_of(candidate, usage, request.started, cost=cost[0])
            request.record.saved_nanousd = saved


async def _leave(request: Request, won: Won, left: Mapping[str, Any], answer: bytes) -> None:
    """Keep for the client's next turn what its format has no place for, and what it may name."""
    await keep(request, answer, won.candidate.provider.id if won.passed else None)
    if left:
        now_s = request.services.clock.now().timestamp()
        await remember(request.services.store, request.record.key, left, now_s)


class _Counted:
    """A sink that counts what went out."""

    def __init__(self, sink: Sink, record: RequestRecord) -> None:
        self._sink = sink
        self._record = record

    async def send(self, data: bytes) -> None:
        self._record.bytes_out += len(data)
        await self._sink.send(data)

    async def nudge(self, data: bytes) -> bool:
        sent = await self._sink.nudge(data)
        if sent:
            self._record.bytes_out += len(data)
        return sent

    async def end(self) -> None:
        await self._sink.end()

    def abort(self) -> None:
        self._sink.abort()


async def _drain_end(begun: Begun) -> None:
    """Read to the end of a finished stream, so that its connection can be used again."""
    try:
        async with asyncio.timeout(EOF_WAIT_S):
            while await begun.exchange.read():
                continue
    except (TimeoutError, UpstreamError):
        return  # the answer is complete; only the connection is lost
