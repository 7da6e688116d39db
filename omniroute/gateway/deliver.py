"""The winning attempt's answer to the client: a whole reply, or a stream to its end.

The record is written before the last byte: what a client has seen to the end is in the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from omniroute.answers.continued import Continued, keep
from omniroute.errors import UpstreamError
from omniroute.gateway.attempt import Answered, Begun
from omniroute.gateway.progress import HEADER as PROGRESS_HEADER
from omniroute.gateway.progress import ProgressSink, wants_progress
from omniroute.gateway.relay import relay
from omniroute.request.call import Opener, Sink, Whole
from omniroute.request.cost import cost_of
from omniroute.request.inflight import InFlight
from omniroute.request.trace import Trace
from omniroute.routing.attempts import Attempts
from omniroute.routing.values import Candidate
from omniroute.state.kept import remember
from omniroute.translation.values import Failure, Usage

EOF_WAIT_S: Final = 0.05
"""After a stream's own end marker, how long its connection may take to become reusable."""


class Origin(Struct, frozen=True, kw_only=True):
    """Whose answer it is, for its headers and its price."""

    candidate: Candidate
    number: int
    """Of the attempt."""
    continued: Continued
    """What it answers."""
    passed: bool
    """It is as its provider made it."""
    warnings: str = ""
    """Policies and budgets that the client should hear of."""


async def reply(flight: InFlight, answer: Answered, origin: Origin) -> Whole:
    """The whole answer, recorded."""
    trace, said = flight.trace, answer.reply
    trace.first_byte()
    trace.bytes_out = len(said.body)
    trace.dropped = _joined(answer.dropped, said.dropped)
    _account(trace, origin.candidate, said.usage)
    headers = _headers(flight, origin, trace.dropped)
    if trace.cost_nanousd is not None:
        headers["X-OmniRoute-Cost"] = f"{trace.cost_nanousd / 1e9:.9f}"
    flight.write()
    await _leave(flight, origin, said.remember, said.body)
    return Whole(status=200, body=said.body, headers=headers)


async def stream_on(
    flight: InFlight, begun: Begun, attempts: Attempts, origin: Origin, opener: Opener
) -> None:
    """Forward a stream to its end. A failure from here on is told inside the stream."""
    stream, trace = begun.stream, flight.trace
    began_s = flight.now_s()

    async def settle(failure: Failure | None) -> None:
        now_s = flight.now_s()
        trace.upstream_ms += (now_s - began_s) * 1000
        _account_stream(trace, begun, origin.candidate)
        if failure is None:
            attempts.succeeded(now_s)
        else:
            trace.failed(failure)
            attempts.failed(failure, now_s)
        flight.write()
        if failure is None:
            await _leave(flight, origin, stream.remember, stream.whole)

    try:
        sink = await _open(flight, begun, origin, opener)
        trace.first_byte()
        await relay(begun.exchange, stream, sink, held=begun.held, ended=begun.ended, settle=settle)
        if not begun.ended and stream.done:
            await _drain_end(begun)
    finally:
        if not flight.written:
            _account_stream(trace, begun, origin.candidate)
        await begun.exchange.close()


async def _open(flight: InFlight, begun: Begun, origin: Origin, opener: Opener) -> Sink:
    """Send the head; what goes into the sink is counted and, where asked for, tells progress."""
    inbound, trace, stream = flight.inbound, flight.trace, begun.stream
    client = flight.snapshot.formats.client(inbound.format)
    content_type = client.stream_content_type(inbound.stream_framing)
    headers = {
        **_headers(flight, origin, _joined(begun.dropped, stream.dropped)),
        "Cache-Control": "no-cache",
        "X-Accel-Buffering": "no",
    }
    watched = wants_progress(inbound, content_type)
    if watched:
        headers[PROGRESS_HEADER] = "enabled"
    sink: Sink = _Counted(await opener(200, headers, content_type), trace)
    if watched:
        sink = ProgressSink(sink, stream, format=inbound.format, elapsed_ms=trace.elapsed_ms)
    return sink


def tried_headers(flight: InFlight) -> dict[str, str]:
    """Of a request that no provider answered: where it was sent last, and how often it was sent."""
    trace = flight.trace
    headers = {
        "X-OmniRoute-Attempts": str(len(trace.attempts)),
        "X-OmniRoute-Config": flight.snapshot.digest,
    }
    if trace.attempts:
        last = trace.attempts[-1]
        headers["X-OmniRoute-Provider"] = last.provider
        headers["X-OmniRoute-Model"] = f"{last.provider}/{last.model}"
        headers["X-OmniRoute-Connection"] = last.connection
    return headers


def _headers(flight: InFlight, origin: Origin, dropped: tuple[str, ...]) -> dict[str, str]:
    candidate = origin.candidate
    headers = {
        "X-Request-Id": flight.inbound.request_id,
        "X-OmniRoute-Provider": candidate.provider.id,
        "X-OmniRoute-Model": candidate.model,
        "X-OmniRoute-Connection": candidate.connection.id,
        "X-OmniRoute-Attempts": str(origin.number),
        "X-OmniRoute-Config": flight.snapshot.digest,
    }
    if origin.warnings:
        headers["X-OmniRoute-Warnings"] = origin.warnings
    if dropped:
        headers["X-OmniRoute-Dropped"] = ",".join(dropped)
    return headers


def _account_stream(trace: Trace, begun: Begun, candidate: Candidate) -> None:
    trace.dropped = _joined(begun.dropped, begun.stream.dropped)
    _account(trace, candidate, begun.stream.usage)


def _joined(asked: tuple[str, ...], said: tuple[str, ...]) -> tuple[str, ...]:
    """What was dropped of the request and of the answer, each named once."""
    return tuple(dict.fromkeys((*asked, *said)))


def _account(trace: Trace, candidate: Candidate, usage: Usage) -> None:
    trace.usage = usage
    cost = cost_of(candidate, usage, trace.started)
    if cost is not None:
        trace.cost_nanousd, trace.price_source = cost


async def _leave(flight: InFlight, origin: Origin, left: Mapping[str, Any], answer: bytes) -> None:
    """Keep for the client's next turn what its format has no place for, and what it may name."""
    await keep(
        flight, origin.continued, answer, origin.candidate.provider.id if origin.passed else None
    )
    if left:
        now_s = flight.services.clock.now().timestamp()
        await remember(flight.services.store, flight.trace.key, left, now_s)


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


async def _drain_end(begun: Begun) -> None:
    """Read to the end of a finished stream, so that its connection can be used again."""
    try:
        async with asyncio.timeout(EOF_WAIT_S):
            while await begun.exchange.read():
                continue
    except (TimeoutError, UpstreamError):
        return  # the answer is complete; only the connection is lost
