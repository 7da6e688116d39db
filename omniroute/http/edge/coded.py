"""Bodies in a content coding: decoded once they are here, within the bounds of plain ones."""

from __future__ import annotations

import asyncio
from typing import Final

from sanic.exceptions import PayloadTooLarge

from omniroute.errors import CodingError, RequestError
from omniroute.http.edge.insides import BodyBound
from omniroute.http.edge.receive import BodyRoom, no_room
from omniroute.wire.coding import Inflater

SLICE_BYTES: Final = 16 << 10
"""What is decoded before others get their turn; a bomb's next 256 KiB are a turn of their own."""
MAX_MEMBERS: Final = 1024
"""One costs a decoder, and can be as small as 20 bytes; bgzip makes one of each 64 KiB."""


async def decode_body(encoded: bytes, coding: str, room: BodyRoom, bound: BodyBound) -> bytes:
    """The decoded body, with room of its own in the place of the encoded one's.

    Raises PayloadTooLarge for more than a plain body might have, and RequestError for one that is
    not what `coding`, one of the known ones, says (400), or when there is no room (503).
    """
    inflater = Inflater(coding)
    pieces: list[bytes] = []
    size = 0
    try:
        for start in range(0, len(encoded), SLICE_BYTES):
            inflater.feed(encoded[start : start + SLICE_BYTES])
            while piece := _step(inflater):
                if size + len(piece) > bound.most_bytes:
                    raise PayloadTooLarge(f"{bound.told}, once it is decoded")
                if not room.hold(len(piece), bound.most_held_bytes):
                    raise no_room()
                size += len(piece)
                pieces.append(piece)
                await asyncio.sleep(0)
            await asyncio.sleep(0)
        if not inflater.is_whole:
            raise _damaged(f"this is no whole {coding}")
    except BaseException:
        room.leave(size)
        raise
    room.leave(len(encoded))
    return b"".join(pieces)


def _step(inflater: Inflater) -> bytes:
    try:
        piece = inflater.step()
    except CodingError as error:
        raise _damaged(str(error)) from error
    if inflater.members > MAX_MEMBERS:
        raise _damaged(f"it has more than {MAX_MEMBERS} members")
    return piece


def _damaged(why: str) -> RequestError:
    return RequestError("invalid_request", f"the body cannot be decoded: {why}")
