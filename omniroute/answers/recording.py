"""A client's stream on its way out, kept as well, up to a bound."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from omniroute.request.inbound import Opener, Sink

MAX_RECORDED_BYTES: Final = 4 << 20
"""A longer answer is not given again."""


class Recorded(Struct, frozen=True, kw_only=True):
    """A stream that went out to its end."""

    status: int
    headers: dict[str, str]
    content_type: str
    body: bytes


class Recorder:
    """Opens the client's stream, with `more` headers, and keeps what goes through it."""

    def __init__(self, opener: Opener, more: dict[str, str] | None = None) -> None:
        self._opener = opener
        self._more = more or {}
        self._head: tuple[int, dict[str, str], str] | None = None
        self._sink: Sink | None = None
        self._data = bytearray()
        self._ended = False

    async def open(self, status: int, headers: dict[str, str], content_type: str) -> Sink:
        self._sink = await self._opener(status, {**headers, **self._more}, content_type)
        self._head = (status, headers, content_type)
        return self

    async def send(self, data: bytes) -> None:
        if len(self._data) <= MAX_RECORDED_BYTES:
            self._data += data
        if self._sink is not None:
            await self._sink.send(data)

    async def nudge(self, data: bytes) -> bool:
        return self._sink is not None and await self._sink.nudge(data)

    async def end(self) -> None:
        self._ended = True
        if self._sink is not None:
            await self._sink.end()

    def abort(self) -> None:
        if self._sink is not None:
            self._sink.abort()

    def recorded(self) -> Recorded | None:
        """What went out, when it went out to its end and is not too long."""
        if self._head is None or not self._ended or len(self._data) > MAX_RECORDED_BYTES:
            return None
        status, headers, content_type = self._head
        return Recorded(
            status=status, headers=headers, content_type=content_type, body=bytes(self._data)
        )
