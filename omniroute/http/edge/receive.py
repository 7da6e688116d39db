"""Bodies that are under way: read when it is known that they are wanted, all together bounded."""

from __future__ import annotations

from typing import Final

from omniroute.config.model import Server
from omniroute.errors import RequestError
from omniroute.http.edge.insides import BodyBound, EdgeHttp

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


def bound_of(bounds: Server, *, is_managed: bool) -> BodyBound:
    """What a body may have; management, `is_managed`, has less to say."""
    most, held = bounds.max_body_bytes, bounds.max_bodies_bytes
    if is_managed and most > MANAGED_BYTES:
        return BodyBound(MANAGED_BYTES, _TOO_LARGE_TO_MANAGE, max(held, MANAGED_BYTES))
    return BodyBound(most, _TOO_LARGE, max(held, most))


class BodyRoom:
    """What one worker holds of its clients' bodies, in bytes."""

    def __init__(self) -> None:
        self.held: int = 0

    async def receive(self, http: EdgeHttp, bound: BodyBound) -> bytes:
        """Read the body; the room that it takes is to be given back by `leave`.

        Raises RequestError (503) when there is no room, and what reading raises.
        """
        if not http.request_body:
            return b""
        largest = bound.most_bytes
        # Of a body in chunks nobody knows how long it gets: it may get as long as one may be.
        taken: int = min(http.request_bytes_left or largest, largest)
        if not self.hold(taken, bound.most_held_bytes):
            raise no_room()
        try:
            body = await http.read_all(bound)
        except BaseException:
            self.held -= taken
            raise
        self.held -= taken - len(body)
        return body

    def hold(self, more: int, most: int) -> bool:
        """Take room for `more` bytes, unless all together would be beyond `most`."""
        if self.held + more > most:
            return False
        self.held += more
        return True

    def leave(self, taken: int) -> None:
        self.held -= taken
