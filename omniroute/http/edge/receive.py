"""A request whose body has to keep coming: a client that stalls is let go."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from sanic.exceptions import RequestTimeout
from sanic.request import Request

SILENCE_S: Final = 60.0
"""How long nothing of a body may arrive."""
WHOLE_S: Final = 600.0
"""How long a body may take altogether, so that a byte a minute holds nothing open."""


class BoundedRequest(Request):
    """What Sanic makes of each request; it bounds heads itself, and bodies not at all."""

    silence_s = SILENCE_S

    async def receive_body(self) -> None:
        """Raises RequestTimeout when the body stalls."""
        if self.body:
            return
        pieces: list[bytes] = []
        stream: Any = self.stream
        left = stream.request_bytes_left
        if left and len(stream.recv_buffer) >= left:
            self.body = b"".join([piece async for piece in stream])  # all here: nothing to wait for
            return
        clock = asyncio.get_running_loop().time
        ends = clock() + WHOLE_S
        try:
            async with asyncio.timeout(self.silence_s) as bound:
                async for piece in stream:
                    pieces.append(piece)
                    bound.reschedule(min(clock() + self.silence_s, ends))
        except TimeoutError:
            stream.keep_alive = False
            stream.request_body = None  # or Sanic would wait for the rest before it closes
            raise RequestTimeout("the body stalled") from None
        self.body = b"".join(pieces)
