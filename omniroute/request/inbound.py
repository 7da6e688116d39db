"""One request as the pipeline sees it, free of any HTTP server: what came in, what goes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from msgspec import Struct

from omniroute.config.model import ModelKind
from omniroute.ledger.record import RequestRecord
from omniroute.request.upload import Upload


class Inbound(Struct, frozen=True, kw_only=True):
    """What a client sent. `headers` have lower-case names; a repeated one keeps its first value."""

    request_id: str
    path: str
    format: str
    """The wire format that the client speaks, named as its table is."""
    kind: ModelKind = "chat"
    body: bytes = b""
    headers: Mapping[str, str] = {}
    key: str | None = None
    """The presented key, in clear; it is looked up by hash and goes no further."""
    client_ip: str = "127.0.0.1"
    model: str | None = None
    """Where the path, not the body, names the model."""
    stream: bool | None = None
    """Where the path, not the body, says whether to stream."""
    provider: str | None = None
    """Where the path is bound to one provider."""
    stream_framing: str | None = None
    """Where the client chose a framing that is not its format's usual one."""
    prepares: bool = False
    """Nothing is to be answered yet: a later request goes on from this one."""
    upload: Upload | None = None
    """The file of a body in parts, of which `body` has the fields as JSON."""
    recorded: Callable[[RequestRecord], None] | None = None
    """Hears of the request's record when that is written, before the answer has ended."""


class Whole(Struct, frozen=True, kw_only=True):
    """An answer that is complete in memory."""

    status: int
    body: bytes
    headers: dict[str, str]
    content_type: str = "application/json"


class Sink(Protocol):
    """The client's side of a streamed answer whose head has been sent."""

    async def send(self, data: bytes) -> None:
        """Returns when the transport has taken it: a slow reader slows the upstream."""
        ...

    async def nudge(self, data: bytes) -> bool:
        """Send what keeps the connection awake, if nothing else waits to go out; never waits."""
        ...

    async def end(self) -> None: ...

    def abort(self) -> None:
        """Break the connection off, so that nobody takes a cut stream for a whole one."""
        ...


Opener = Callable[[int, dict[str, str], str], Awaitable[Sink]]
"""Sends the head of a stream: status, headers, content type."""
