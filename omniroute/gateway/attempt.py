"""One try at one candidate: translate, send; a whole reply or a stream that has begun."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from omniroute.base.heavy import BIG_BYTES, Heavy
from omniroute.errors import (
    STATUS,
    UpstreamCutError,
    UpstreamError,
    UpstreamReportedError,
    UpstreamTimeoutError,
)
from omniroute.gateway.relay import read_first, read_until_started
from omniroute.request.provider import (
    Redact,
    ReportedFailureError,
    failure_in,
    heard,
    read_whole,
    refused,
    request_to,
)
from omniroute.request.unasked import Unasked, refused_of
from omniroute.routing.retry import failure_of
from omniroute.translation.failures import StreamFailedError
from omniroute.translation.values import Destination, Failure, Outbound, Pair, Reply, Stream
from omniroute.upstream.client import Exchange, FileSource, Transport, UpstreamRequest
from omniroute.upstream.outlet import Headers, Outlet
from omniroute.wire.arrived import is_page

T = TypeVar("T")
WEB_PAGE: Final = Failure(
    kind="upstream",
    status=STATUS["upstream"],
    message="the provider answered with a web page: its base_url is probably wrong",
    code="upstream_web_page",
)


class AttemptFailedError(Exception):
    """The candidate did not answer; nothing has reached the client. `status` is the provider's."""

    def __init__(
        self,
        failure: Failure,
        *,
        status: int | None = None,
        first_byte_ms: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.status = status
        self.first_byte_ms = first_byte_ms
        self.headers: Mapping[str, str] = headers or {}


class Answered(Struct, frozen=True, kw_only=True):
    """A whole reply."""

    reply: Reply
    status: int
    headers: Mapping[str, str]
    """Of the provider's answer."""
    first_byte_ms: float
    dropped: tuple[str, ...]
    """Of the request, what the provider's format cannot express."""


class Begun(Struct, frozen=True, kw_only=True):
    """A stream whose first bytes are here; the exchange is open and must be closed."""

    exchange: Exchange
    stream: Stream
    held: bytes
    ended: bool
    status: int
    headers: Mapping[str, str]
    first_byte_ms: float
    dropped: tuple[str, ...]


class Ask(Struct, frozen=True, kw_only=True):
    """What one attempt needs to know."""

    pair: Pair
    outlet: Outlet
    target: Destination
    body: dict[str, Any]
    raw: bytes
    client_headers: Mapping[str, str]
    request_id: str
    deadline: float
    """On the loop's clock; for a stream it bounds only the time to its first bytes."""
    redact: Redact
    """For what the provider says of a failure."""
    unasked: Unasked
    """Is told what a server refused that no client had asked for."""
    heavy: Heavy
    is_big: bool
    """Work on the body is done there."""
    file: FileSource | None
    """What the client sent beside its body."""


async def attempt(ask: Ask, transport: Transport) -> Answered | Begun:
    """Raises AttemptFailedError; TranslationError when the body cannot be expressed.

    A server that refuses by name what only the gateway asked for is asked once more without.
    """
    outbound = (
        await ask.heavy.run(lambda: ask.pair.request(ask.body, ask.raw, ask.target))
        if ask.is_big
        else ask.pair.request(ask.body, ask.raw, ask.target)
    )
    if ask.pair.goes_on:
        return await _go_on(ask, transport, outbound)
    earlier: list[bytes] = []
    for body in outbound.earlier:
        part = replace(outbound, body=body)
        earlier.append(await _exchange(ask, transport, part, _receive_part))

    try:
        return await _exchange(ask, transport, outbound, partial(_receive, ask, outbound, earlier))
    except AttemptFailedError as error:
        failure = error.failure
        said = (failure.message, failure.param)
        refused_fields = refused_of(outbound.added, status=error.status, said=said)
        if not refused_fields:
            raise
    now_s = asyncio.get_running_loop().time()
    ask.unasked.learn(ask.outlet.key, refused_fields, now_s)
    target = replace(ask.target, without=ask.target.without | refused_fields)
    return await attempt(replace(ask, target=target), transport)


async def _go_on(ask: Ask, transport: Transport, first: Outbound) -> Answered:
    """An answer that takes several requests, each made of the answer to the one before."""
    loop = asyncio.get_running_loop()
    began, outbound = loop.time(), first
    for step in count():
        body, exchange = await _exchange(ask, transport, outbound, _receive_step)
        try:
            onward = ask.pair.onward(body, ask.body, ask.target, step=step)
            if onward is None:
                work = partial(ask.pair.reply, body, ask.body, ask.target)
                return Answered(
                    reply=await _read(ask, exchange, body, work),
                    status=exchange.status,
                    headers=exchange.headers,
                    first_byte_ms=(loop.time() - began) * 1000,
                    dropped=first.dropped,
                )
            if loop.time() + onward.wait_s >= ask.deadline:
                raise UpstreamTimeoutError("the request's deadline passed", phase="total")
        except UpstreamReportedError:
            told = failure_in(body, exchange, ask.pair, ask.redact)
            raise AttemptFailedError(told, status=exchange.status) from None
        except (ReportedFailureError, UpstreamError) as error:
            told = error.failure if isinstance(error, ReportedFailureError) else failure_of(error)
            raise AttemptFailedError(told, status=exchange.status) from error
        await asyncio.sleep(onward.wait_s)
        outbound = onward.outbound
    raise AssertionError("counting has no end")


async def _receive_step(exchange: Exchange, first_byte_ms: float) -> tuple[bytes, Exchange]:
    """The answer to one of several requests, and what it came with."""
    return await _receive_part(exchange, first_byte_ms), exchange


async def _exchange(
    ask: Ask,
    transport: Transport,
    outbound: Outbound,
    receive: Callable[[Exchange, float], Awaitable[T]],
) -> T:
    """Send, and `receive` what an answer that is no refusal holds. Raises AttemptFailedError."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    request = request_of(ask, outbound)
    bounds = ask.outlet.bounds(None if ask.target.stream else ask.deadline)
    try:
        exchange = await _within(ask, transport.open(request, bounds))
    except UpstreamError as error:
        raise AttemptFailedError(failure_of(error)) from error
    first_byte_ms = (loop.time() - began) * 1000
    try:
        if not 200 <= exchange.status < 300:
            raise ReportedFailureError(await _within(ask, refused(exchange, ask.pair, ask.redact)))
        return await _within(ask, receive(exchange, first_byte_ms))
    except (ReportedFailureError, UpstreamError) as error:
        failure = error.failure if isinstance(error, ReportedFailureError) else failure_of(error)
        await exchange.close()
        raise AttemptFailedError(
            failure, status=exchange.status, first_byte_ms=first_byte_ms, headers=exchange.headers
        ) from error
    except BaseException:
        await exchange.close()
        raise


async def _within(ask: Ask, work: Awaitable[T]) -> T:
    """Bound `work` by the deadline. The transport does it itself for what is not a stream."""
    if not ask.target.stream:
        return await work
    try:
        async with asyncio.timeout_at(ask.deadline):
            return await work
    except TimeoutError:
        raise UpstreamTimeoutError("the request's deadline passed", phase="total") from None


async def _receive_part(exchange: Exchange, first_byte_ms: float) -> bytes:
    """The answer to one of several requests, to be read with the last one's."""
    body = await read_whole(exchange)
    await exchange.close()
    return body


async def _receive(
    ask: Ask,
    outbound: Outbound,
    earlier: Sequence[bytes],
    exchange: Exchange,
    first_byte_ms: float,
) -> Answered | Begun:
    if ask.target.stream:
        return await _receive_stream(ask, outbound, exchange, first_byte_ms)
    body = await read_whole(exchange)
    reply = await _read(
        ask, exchange, body, partial(ask.pair.reply, body, ask.body, ask.target, earlier=earlier),
        is_big=bool(earlier),
    )  # fmt: skip
    await exchange.close()
    return Answered(
        reply=reply,
        status=exchange.status,
        headers=exchange.headers,
        first_byte_ms=first_byte_ms,
        dropped=outbound.dropped,
    )


async def _receive_stream(
    ask: Ask, outbound: Outbound, exchange: Exchange, first_byte_ms: float
) -> Begun:
    first = await read_first(exchange)
    if is_page(first) or ask.pair.is_whole(first):
        body = first + await read_whole(exchange)
        stream, held = await _read(
            ask, exchange, body, partial(ask.pair.retell, body, ask.body, ask.target)
        )
        ended = True
    else:
        stream = (
            await ask.heavy.run(lambda: ask.pair.stream(ask.body, ask.target, ahead=True))
            if ask.is_big
            else ask.pair.stream(ask.body, ask.target)
        )
        held, ended = await read_until_started(exchange, stream, ask.redact, first=first)
    return Begun(
        exchange=exchange,
        stream=stream,
        held=held,
        ended=ended,
        status=exchange.status,
        headers=exchange.headers,
        first_byte_ms=first_byte_ms,
        dropped=outbound.dropped,
    )


async def _read(
    ask: Ask, exchange: Exchange, body: bytes, work: Callable[[], T], *, is_big: bool = False
) -> T:
    """What a whole body says. Raises ReportedFailureError where that is a failure."""
    try:
        if is_big or ask.is_big or len(body) >= BIG_BYTES:
            return await ask.heavy.run(work)
        return work()
    except StreamFailedError as error:
        raise ReportedFailureError(heard(error.failure, ask.redact)) from None
    except UpstreamCutError:
        if is_page(body):
            raise ReportedFailureError(WEB_PAGE) from None
        raise
    except UpstreamReportedError:
        failure = failure_in(body, exchange, ask.pair, ask.redact)
        raise ReportedFailureError(failure) from None


def request_of(ask: Ask, outbound: Outbound) -> UpstreamRequest:
    """What goes to the provider: the outlet's address and credential around a body."""
    declared, forwarded = _headers(ask)
    own = (("x-request-id", ask.request_id), *forwarded)
    model = ask.target.model
    return request_to(ask.outlet, outbound, headers=declared, own=own, model=model, file=ask.file)


def _headers(ask: Ask) -> tuple[Headers, Headers]:
    """The operator's, and of the client's only what `forwards` names.

    Those are lists, such as betas: what the operator declared is put behind the client's.
    """
    declared = ask.outlet.headers
    given = ask.client_headers
    forwarded = {name: given[name] for name in ask.pair.forwards if name in given}
    if not forwarded:
        return declared, ()
    mine = {name.lower(): value for name, value in declared}
    left = tuple(pair for pair in declared if pair[0].lower() not in forwarded)
    return left, tuple(
        (name, f"{value},{mine[name]}" if name in mine else value)
        for name, value in forwarded.items()
    )
