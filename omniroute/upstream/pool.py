"""Transports by their options: made at the first need, kept over reloads, closed when unused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from omniroute.upstream.client import Transport
from omniroute.upstream.echo import EchoTransport
from omniroute.upstream.fast import FastTransport
from omniroute.upstream.guard import Resolver
from omniroute.upstream.options import TransportOptions


class TransportPool:
    """Owned by one worker; belongs to its event loop."""

    def __init__(self) -> None:
        self._resolver = Resolver()
        self._transports: dict[TransportOptions, Transport] = {}
        self._used: frozenset[TransportOptions] | None = None  # None: whatever is asked for

    def get(self, options: TransportOptions) -> Transport:
        """The transport for `options`; equal options share one, and its connections.

        Never raises: options that cannot work (a missing CA file, a malformed proxy URL) fail when
        an exchange is opened, as any other reason not to connect.
        """
        transport = self._transports.get(options)
        if transport is None:
            lasting = self._used is None or options in self._used
            transport = _make_transport(options, self._resolver, keep_idle=lasting)
            if lasting:
                self._transports[options] = transport
        return transport

    async def retain(self, used: Iterable[TransportOptions]) -> None:
        """Let go of every transport whose options are not among `used`.

        Their exchanges run on to their end. A request that still holds an older snapshot and asks
        for such options later gets a transport of its own, which keeps no connection.
        """
        self._used = frozenset(used)
        gone = [options for options in self._transports if options not in self._used]
        for transport in [self._transports.pop(options) for options in gone]:
            await transport.close()

    async def close(self) -> None:
        """End all idle connections; running exchanges may finish."""
        await self.retain(())


def _make_transport(options: TransportOptions, resolver: Resolver, *, keep_idle: bool) -> Transport:
    match options.client:
        case "fast":
            return FastTransport(options, resolver, keep_idle=keep_idle)
        case "httpx":
            from omniroute.upstream.httpx_client import HttpxTransport  # httpx for who asks for it

            return HttpxTransport(options, resolver, keep_idle=keep_idle)
        case "echo":
            return EchoTransport()
        case _:
            assert_never(options.client)
