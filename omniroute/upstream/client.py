"""The seam towards providers: what a transport must do, whatever library carries it.

An exchange goes `Transport.open` → head arrived → `Exchange.read` until `b""` → `close`. Every wait
is bounded: connecting, the first byte of the head, silence between chunks, and `deadline`, one
absolute time on the loop's clock that all attempts of a request share. Cancelling the task that
waits closes the socket. Redirects are never followed; content is never decoded beyond what the
transport asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct


class FileSource(Protocol):
    """What is too large to be held in memory, read in pieces, as often as it is sent."""

    size_bytes: int

    async def read(self, offset: int) -> bytes:
        """The next piece from there, at least a byte of what is left."""
        ...


class UpstreamRequest(Struct, frozen=True, kw_only=True):
    """What is sent. `headers` and `own` together are complete, without Host and Content-Length."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    """Those that many requests share: a transport may keep them rendered."""
    own: tuple[tuple[str, str], ...] = ()
    """Of this request alone, such as its id."""
    body: bytes = b""
    file: FileSource | None = None
    """Sent behind `body`."""
    tail: bytes = b""
    """Sent behind `file`."""

    def size_bytes(self) -> int:
        """Of all that is sent behind the head."""
        file = self.file
        return len(self.body) + (0 if file is None else file.size_bytes + len(self.tail))


class Bounds(Struct, frozen=True, kw_only=True):
    """`deadline` is a time of the running loop (`loop.time()`), None for no bound on the whole."""

    connect_s: float
    first_byte_s: float
    idle_s: float
    deadline: float | None = None


class Exchange(Protocol):
    """One request's answer, its head already here."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names; a repeated header's values joined by a comma."""
        ...

    async def read(self) -> bytes:
        """The next bytes as they arrive, `b""` at the end.

        Raises UpstreamTimeoutError (idle, total) or UpstreamCutError (reset, short body).
        """
        ...

    async def close(self) -> None:
        """Give the connection back, or break it off when the body is unread. Never raises."""
        ...


class Transport(Protocol):
    """A pool of connections with one set of TLS, proxy and address rules."""

    async def open(self, request: UpstreamRequest, bounds: Bounds) -> Exchange:
        """Send, and wait for the head.

        Raises UpstreamConnectError (nothing was sent), BlockedAddressError, UpstreamTimeoutError
        or UpstreamCutError (the connection broke before a head came).
        """
        ...

    async def close(self) -> None:
        """End idle connections; running exchanges may finish."""
        ...
