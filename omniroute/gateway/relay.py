"""Upstream bytes to client frames: the part of a stream before anybody has seen it, and the rest.

Until `Stream.started` nothing reaches the client, so a failure there may still go to another
candidate. After that a failure can only be told as the client format's own error event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from omniroute.errors import UpstreamError
from omniroute.request.inbound import Sink
from omniroute.request.provider import Redact, ReportedFailureError, heard
from omniroute.routing.retry import failure_of
from omniroute.translation.values import Failure, Stream
from omniroute.upstream.client import Exchange
from omniroute.wire.arrived import first_byte

MAX_HOLD_S: Final = 10.0
"""A provider that says it began and then only pings is thinking; after this its client may know."""
MAX_HELD_BYTES: Final = 64 << 10
"""No answer takes more to announce itself."""


async def read_first(exchange: Exchange) -> bytes:
    """Bytes up to the first that can tell what comes; all of them where none does."""
    data = await exchange.read()
    while data and not first_byte(data) and len(data) <= MAX_HELD_BYTES:
        chunk = await exchange.read()
        if not chunk:
            break
        data += chunk
    return data


async def read_until_started(
    exchange: Exchange,
    stream: Stream,
    redact: Redact,
    *,
    first: bytes = b"",
    hold_s: float = MAX_HOLD_S,
) -> tuple[bytes, bool]:
    """Client bytes up to the first that matter, and whether the upstream has closed.

    What only announces an answer is held, as a provider that is overloaded says so right behind it
    and another one may still be asked. `first` was read before. Raises ReportedFailureError, or an
    UpstreamError when the upstream broke off before that.
    """
    held = b""
    until_s: float | None = None
    now_s = asyncio.get_running_loop().time
    while not stream.started:
        chunk = first or await exchange.read()
        first = b""
        if chunk:
            held += stream.feed(chunk)
        if not chunk:
            held += stream.finish()
        if stream.failure is not None:
            raise ReportedFailureError(heard(stream.failure, redact))
        if not chunk:
            return held, True
        if held:
            until_s = now_s() + hold_s if until_s is None else until_s
            if now_s() >= until_s or len(held) > MAX_HELD_BYTES:
                break
    return held, False


async def relay(
    exchange: Exchange,
    stream: Stream,
    sink: Sink,
    *,
    held: bytes,
    ended: bool,
    redact: Redact,
    settle: Callable[[Failure | None, int], Awaitable[None]],
) -> int:
    """Forward until the end; the number of bytes sent.

    `settle` is called once, with how many bytes are still to go, before they do: what a client has
    seen to the end is in the ledger, and can be gone on from, whatever happens next.
    """
    sent = 0
    data = held
    failure: Failure | None = None
    while not ended and not stream.done:
        if data:
            await sink.send(data)
            sent += len(data)
        try:
            chunk = await exchange.read()
            if chunk:
                data = stream.feed(chunk)
            else:
                ended = True
                data = stream.finish()
        except UpstreamError as error:
            failure = failure_of(error)
            data = stream.fail(failure)
            break
        if stream.failure is not None:
            failure = heard(stream.failure, redact)
            data += stream.fail(failure)
            break
    if stream.done and not ended and failure is None:
        data += stream.finish()
    await settle(failure, len(data))
    if data:
        await sink.send(data)
        sent += len(data)
    elif failure is not None:
        sink.abort()  # the format has no words for it
        return sent
    await sink.end()
    return sent
