"""Answers on the wire: whole bodies, and a stream sink that waits for a slow reader."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import orjson
from sanic import HTTPResponse

from omniroute.http.edge.insides import HttpAnswer
from omniroute.request.inbound import Whole

STALL_S: Final = 60.0
"""A reader that takes nothing for this long is gone; its stream ends and the upstream is freed."""
HIGH_WATER_BYTES: Final = 65_536
"""Where Sanic's transport asks writers to wait; below it a send cannot block."""


class ClientStalledError(Exception):
    """The client keeps its connection open but reads nothing."""


class StreamSink:
    """The client's side of a streamed answer. `send` returns when the transport has taken it."""

    def __init__(self, transport: asyncio.WriteTransport | None, response: Any) -> None:
        self._transport = transport
        self._response = response

    async def send(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.get_write_buffer_size() < HIGH_WATER_BYTES:
            await self._response.send(data)
            return
        try:
            async with asyncio.timeout(STALL_S):
                await self._response.send(data)
        except TimeoutError:
            self.abort()
            raise ClientStalledError(f"the client read nothing for {STALL_S:g} s") from None

    async def nudge(self, data: bytes) -> bool:
        transport = self._transport
        if transport is None or transport.is_closing() or transport.get_write_buffer_size():
            return False
        await self._response.send(data)
        return True

    async def end(self) -> None:
        await self._response.eof()

    def abort(self) -> None:
        """Break the connection off, so that the client cannot take the stream for a whole one."""
        if self._transport is not None:
            self._transport.abort()


def whole(
    status: int, headers: Mapping[str, str], body: bytes, content_type: str = "application/json"
) -> HTTPResponse:
    """An answer that is complete; Sanic adds its length."""
    return HttpAnswer(body, status=status, headers=dict(headers), content_type=content_type)


def rendered(answer: Whole) -> HTTPResponse:
    """A model's answer as Sanic sends it."""
    return whole(answer.status, answer.headers, answer.body, answer.content_type)


def plain(answer: HTTPResponse) -> Whole:
    """An answer of Sanic's without Sanic, which has no header twice."""
    return Whole(
        status=answer.status,
        body=answer.body or b"",
        headers=dict(answer.headers),
        content_type=answer.content_type or "application/json",
    )


def as_json(value: object, status: int = 200) -> HTTPResponse:
    """A management answer."""
    return whole(status, {}, orjson.dumps(value))
