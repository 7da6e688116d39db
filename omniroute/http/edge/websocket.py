"""WebSockets (RFC 6455, with compression by RFC 7692) on a connection that has left HTTP.

The `websockets` package knows the protocol; here are its bounds: of messages before and after they
are inflated, of what compression remembers, of silence, and of readers that take nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from websockets.datastructures import Headers
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from omniroute.config.model import Server
from omniroute.errors import RequestError
from omniroute.http.edge.insides import Wire
from omniroute.http.edge.receive import BodyRoom
from omniroute.http.edge.respond import STALL_S

PING_S: Final = 20.0
"""Between two questions whether the client still lives, and how long it has for an answer."""
CLOSE_S: Final = 5.0
"""How long a client may take to say that it has heard of the end."""
DRAIN_S: Final = 1.0
"""How long one may go on sending after it was told that it is over."""
WINDOW_BITS: Final = 12
"""Of what both sides' compression remembers: a socket takes some 32 KB for it."""

_DATA: Final = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})
_quiet: Final = logging.getLogger("omniroute.websocket")
_quiet.setLevel(logging.CRITICAL)  # what clients do wrong is told to them, by the close code


def is_asked_for(headers: Any) -> bool:
    """Whether a request wants to leave HTTP for this."""
    return headers.get("upgrade", "").strip().lower() == "websocket"


def answer_of(
    path: str, headers: Sequence[tuple[str, str]], most_bytes: int
) -> tuple[bytes, ServerProtocol]:
    """The answer to a handshake, and what is spoken from then on.

    `most_bytes` is of a message as its sender wrote it, before compression. Raises RequestError.
    """
    deflate = ServerPerMessageDeflateFactory(
        server_max_window_bits=WINDOW_BITS,
        client_max_window_bits=WINDOW_BITS,
        compress_settings={"memLevel": 5},
    )
    protocol = ServerProtocol(
        extensions=[deflate], state=State.OPEN, max_size=most_bytes, logger=_quiet
    )
    response = protocol.accept(Request(path, Headers(headers)))
    if response.status_code != 101:
        words = (response.body or b"").decode(errors="replace").strip()
        raise RequestError("invalid_request", words, status=response.status_code)
    return response.serialize(), protocol


class WebSocket:
    """One client's; `receive` is called by one task, `send` by any.

    Who waits for it while nobody listens any more, or nobody reads, is cancelled.
    """

    def __init__(
        self, wire: Wire, protocol: ServerProtocol, room: BodyRoom, bounds: Server
    ) -> None:
        self._wire = wire
        self._protocol = protocol
        self._room = room
        self._most_bytes = max(bounds.max_bodies_bytes, bounds.max_body_bytes)
        self._pieces: list[bytes] = []
        self._messages: deque[bytes] = deque()
        self._held = 0
        self._given = 0
        self._heard = True

    def on_leave(self, leave: Callable[[], None]) -> None:
        """Let `leave` hear that the server is about to stop."""
        self._wire.on_leave(leave)

    async def receive(self) -> bytes | None:
        """The next message, None behind the last. It takes room among the worker's bodies until it
        is released."""
        while not self._messages:
            if self._protocol.state is not State.OPEN:
                return None
            data = await self._wire.read()
            self._heard = True
            if self._hold(len(data)):
                self._protocol.receive_data(data)
                self._take()
            self._settle()
            await self._flush()
        message = self._messages.popleft()
        self._given += len(message)
        return message

    def release(self, message: bytes) -> None:
        self._given -= len(message)
        self._settle()

    async def send(self, text: bytes) -> None:
        """Returns when the transport has taken what was sent before."""
        if self._protocol.state is not State.OPEN:
            raise asyncio.CancelledError
        self._protocol.send_text(text)
        await self._flush()

    async def watch(self) -> None:
        """Ask a client that says nothing whether it still lives, and break off when it does not."""
        while True:
            self._heard = False
            await asyncio.sleep(PING_S)
            if self._heard or self._protocol.state is not State.OPEN:
                continue
            self._protocol.send_ping(b"")
            await self._flush()
            await asyncio.sleep(PING_S)
            if not self._heard:
                self.abort()

    async def close(self, code: int, reason: str = "") -> None:
        """Say that it is over; what `receive` waits for does not come any more."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
            await self._flush()

    async def end(self) -> None:
        """Let the client hear of the end. A connection that is closed while something comes in
        would be reset, and the last that was said be lost."""
        is_broken = self._protocol.close_rcvd is None and self._protocol.eof_sent
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S if is_broken else CLOSE_S):
                while is_broken or not self._protocol.eof_sent:
                    self._protocol.receive_data(await self._wire.read())

    def free(self) -> None:
        """Give back all room."""
        self._room.leave(self._held)
        self._held = 0

    def abort(self) -> None:
        self._wire.abort()

    def _take(self) -> None:
        """Put frames together to messages."""
        for event in self._protocol.events_received():
            if not isinstance(event, Frame) or event.opcode not in _DATA:
                continue
            if event.opcode is Opcode.BINARY:
                self._protocol.fail(CloseCode.UNSUPPORTED_DATA, "messages are texts")
                return
            if not self._hold(len(event.data)):
                return
            self._pieces.append(bytes(event.data))
            if event.fin:
                self._messages.append(b"".join(self._pieces))
                self._pieces.clear()

    def _hold(self, more: int) -> bool:
        """Take room; without any it is over."""
        if self._room.hold(more, self._most_bytes):
            self._held += more
            return True
        self._protocol.fail(CloseCode.TRY_AGAIN_LATER, "too many large requests are under way")
        return False

    def _settle(self) -> None:
        """Give back the room of what is not there any more."""
        left = self._given + sum(map(len, self._messages)) + sum(map(len, self._pieces))
        self._room.leave(self._held - left)
        self._held = left

    async def _flush(self) -> None:
        data = b"".join(self._protocol.data_to_send())
        if not data:
            return
        try:
            async with asyncio.timeout(STALL_S):
                await self._wire.write(data)
        except TimeoutError:
            self.abort()
            raise asyncio.CancelledError from None
