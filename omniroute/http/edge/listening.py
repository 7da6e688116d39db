"""Letting clients in: one listening socket, several connections at each turn of the loop."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from typing import Final

from omniroute.base.tasks import Supervisor

BACKLOG: Final = 2048
"""Connections that wait to be accepted: a burst must not meet refusals."""
ACCEPTS_PER_TURN: Final = 16
"""uvloop's own servers accept one connection per turn of the loop. Under load a turn is long, and
the last of five hundred new clients waited for seconds. More at once would keep those waiting who
are already in."""
RETRY_S: Final = 0.5
"""How long to let nobody in when the process may open no more files: trying at every turn would
take the processor from those whose end frees some."""

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_log = logging.getLogger("omniroute.server")


class Listening:
    """A bound socket that is listened on, from `__init__` until `close`; owns the socket.

    Everything happens on the running loop. The socket never blocks, whatever it did before, so a
    client that left before it was let in costs one failed call.
    """

    def __init__(
        self, listener: socket.socket, make_protocol: Callable[[], asyncio.Protocol]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._make_protocol = make_protocol
        self._entering = Supervisor()
        self._pause: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        listener.listen(BACKLOG)
        self._loop.add_reader(listener, self._accept)

    def close(self) -> None:
        """Let nobody in any more; whoever is in stays."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                client, _address = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._rest(error)
                    return
                continue  # this client left, or its network did (accept(2), "Error handling")
            client.setblocking(False)
            # uvloop does so itself, asyncio's own loop only where the socket names its protocol,
            # which an accepted one does not: each event of a stream then waits 40 ms for the last.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._entering.start("accept", self._enter(client))

    async def _enter(self, client: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make_protocol, client)
        except OSError:  # reset between accept and here
            client.close()

    def _rest(self, error: OSError) -> None:
        _log.error("no new connections for %.1f s: %s", RETRY_S, error.strerror)
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(RETRY_S, self._resume)

    def _resume(self) -> None:
        self._loop.add_reader(self._listener, self._accept)
