"""The default transport: pooled HTTP/1.1 connections on the event loop, no thread in between.

HTTP/2 is not offered on purpose: one connection would carry all streams of a provider, so its
stream limit (often 100) would cap the gateway and one stalled reader would hold up the others.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from functools import partial
from typing import Final

from omniroute.errors import UpstreamConnectError
from omniroute.upstream.client import Bounds, UpstreamRequest
from omniroute.upstream.dial import Dialer
from omniroute.upstream.guard import Resolver
from omniroute.upstream.http1 import Http1Connection, render_head
from omniroute.upstream.inflate import Inflate, undone_headers
from omniroute.upstream.options import TransportOptions
from omniroute.upstream.origin import Origin, split_url
from omniroute.wire.coding import coding_of

_IDLE_S: Final = 55.0  # below the 60 s after which common load balancers drop a connection
_SWEEP_S: Final = 5.0
_MAX_IDLE: Final = 256  # per origin; more come and go with the load
_KEEP_ALIVE: Final = re.compile(r"timeout=(\d{1,6})")


class FastTransport:
    """One set of options; belongs to the event loop that first opens an exchange.

    Without `keep_idle` a connection ends with its exchange, as after `close`.
    """

    def __init__(
        self, options: TransportOptions, resolver: Resolver, *, keep_idle: bool = True
    ) -> None:
        self._dialer = Dialer(options, resolver)
        self._idle: dict[Origin, list[Http1Connection]] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._keep_idle = keep_idle

    async def open(self, request: UpstreamRequest, bounds: Bounds) -> FastExchange:
        origin, target = split_url(request.url)
        headers = request.headers
        via_proxy = self._dialer.forward_headers(origin)
        if via_proxy is not None:
            target = f"http://{origin.authority()}{target}"
            headers += via_proxy
        try:
            head = render_head(
                request.method,
                target,
                headers,
                host=origin.authority(),
                own=request.own,
                body_bytes=len(request.body) if request.file is None else request.size_bytes(),
            )
        except ValueError as error:
            raise UpstreamConnectError(f"the request cannot be sent: {error}") from None
        connection = self._take(origin)
        if connection is None:
            connection = await self._dialer.dial(origin, bounds.connect_s, bounds.deadline)
        try:
            connection.send(head, request.body)
            if request.file is not None:
                await connection.send_file(
                    request.file, request.tail, bounds.first_byte_s, bounds.deadline
                )
            await connection.head(bounds.first_byte_s, bounds.deadline)
            if via_proxy is not None and connection.status == 407:
                raise UpstreamConnectError("the proxy does not accept the credentials (407)")
            return FastExchange(connection, partial(self._give_back, origin), bounds)
        except BaseException:
            connection.abort()
            raise

    async def close(self) -> None:
        self._keep_idle = False
        if self._sweep is not None:
            self._sweep.cancel()
        for connections in self._idle.values():
            for connection in connections:
                connection.abort()
        self._idle.clear()

    def _take(self, origin: Origin) -> Http1Connection | None:
        """The connection that rested last, if the other side still holds it."""
        connections = self._idle.get(origin)
        while connections:
            connection = connections.pop()
            if not connection.closed and not _has_news(connection):
                return connection
            connection.abort()
        return None

    def _give_back(self, origin: Origin, connection: Http1Connection) -> None:
        """Keep a connection whose answer was read to the end; close any other at once."""
        if not self._keep_idle or not connection.reusable():
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        connections = self._idle.setdefault(origin, [])
        if len(connections) >= _MAX_IDLE:
            connections.pop(0).abort()
        stated = _KEEP_ALIVE.search(connection.headers.get("keep-alive", ""))
        # What a server announces is a promise to close: be gone a second earlier.
        idle_s = _IDLE_S if stated is None else min(_IDLE_S, int(stated[1]) - 1)
        if idle_s <= 0:
            connection.abort()
            return
        connection.rest(loop.time() + idle_s)
        connections.append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(_SWEEP_S, self._drop_expired, loop)

    def _drop_expired(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for origin, connections in list(self._idle.items()):
            kept: list[Http1Connection] = []
            for connection in connections:
                if connection.closed or connection.expires <= now:
                    connection.abort()
                else:
                    kept.append(connection)
            if kept:
                self._idle[origin] = kept
            else:
                del self._idle[origin]
        self._sweep = loop.call_later(_SWEEP_S, self._drop_expired, loop) if self._idle else None


def _has_news(connection: Http1Connection) -> bool:
    """Something lies unread on an idle connection: nearly always that the server closed it.

    The loop may not have come to read it yet. Asking the kernel costs about a microsecond and
    leaves only the crossing on the wire, after which nobody can know what the server did.
    """
    news = connection.news
    return news is None or bool(news.poll(0))


class FastExchange:
    """One answer on its connection; gives it back by itself at the end."""

    __slots__ = ("_bounds", "_connection", "_give_back", "_inflate", "headers", "status")

    def __init__(
        self, connection: Http1Connection, give_back: partial[None], bounds: Bounds
    ) -> None:
        self._connection: Http1Connection | None = connection
        self._give_back = give_back
        self._bounds = bounds
        self.status: int = connection.status
        self.headers: Mapping[str, str] = connection.headers
        coding = coding_of(connection.headers)
        self._inflate = None if coding is None else Inflate(coding, self._read)
        if coding is not None:
            self.headers = undone_headers(connection.headers)

    async def read(self) -> bytes:
        if self._inflate is None:
            return await self._read()
        return await self._inflate.read()

    async def _read(self) -> bytes:
        connection = self._connection
        if connection is None:
            return b""
        try:
            data = await connection.read(self._bounds.idle_s, self._bounds.deadline)
        except BaseException:
            self._connection = None
            connection.abort()
            raise
        if not data:
            self._connection = None
            self._give_back(connection)
        return data

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._give_back(connection)
