"""Bodies that are under way: read when it is known that they are wanted, all together bounded."""

from __future__ import annotations

from typing import Any, Final, cast

from sanic.request import Request

from omniroute.config.model import Server
from omniroute.errors import RequestError
from omniroute.http.edge.insides import BodyBound, EdgeRequest

RETRY_S: Final = 1.0
MANAGED_BYTES: Final = 1 << 20
"""Of a management body: a part of a configuration, which a person could have written."""
_TOO_LARGE: Final = "the request is larger than server.max_body allows"
_TOO_LARGE_TO_MANAGE: Final = "the request is larger than the 1 MiB that management takes"


def no_room() -> RequestError:
    """What is told where all bodies together would be beyond their bound."""
    return RequestError(
        "unavailable",
        "too many large requests are under way",
        code="too_many_bodies",
        retry_after_s=RETRY_S,
    )


class BodyRoom:
    """What one worker holds of its clients' bodies, in bytes."""

    def __init__(self) -> None:
        self.held: int = 0

    async def receive(self, request: Request, bounds: Server, *, is_managed: bool) -> int:
        """Read the body; the room that it takes, to be given back by `leave`.

        Management, `is_managed`, has less to say. Raises RequestError (503) when there is no room,
        and what reading raises.
        """
        stream: Any = request.stream
        if stream is None or not stream.request_body:
            return 0
        bound = BodyBound(bounds.max_body_bytes, _TOO_LARGE)
        if is_managed:
            bound = min(bound, BodyBound(MANAGED_BYTES, _TOO_LARGE_TO_MANAGE))
        cast("EdgeRequest", request).bound = bound
        largest = bound.most_bytes
        # Of a body in chunks nobody knows how long it gets: it may get as long as one may be.
        taken: int = min(stream.request_bytes_left or largest, largest)
        if not self.hold(taken, max(bounds.max_bodies_bytes, largest)):
            raise no_room()
        try:
            await request.receive_body()
        except BaseException:
            self.held -= taken
            raise
        read = len(request.body or b"")
        self.held -= taken - read
        return read

    def hold(self, more: int, most: int) -> bool:
        """Take room for `more` bytes, unless all together would be beyond `most`."""
        if self.held + more > most:
            return False
        self.held += more
        return True

    def leave(self, taken: int) -> None:
        self.held -= taken
