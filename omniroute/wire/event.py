"""What every framing has in common: the event, its bound, the shape of decoders and encoders.

Data stays bytes: `orjson.loads` takes them as they are and checks the UTF-8 itself, and no framing
needs to look inside a character, so a chunk may end anywhere.
"""

from __future__ import annotations

from typing import Final, Protocol

from msgspec import Struct

from omniroute.errors import UpstreamCutError

MAX_EVENT_BYTES: Final = 16 << 20  # memory per stream; an image arrives as one event
BOM: Final = b"\xef\xbb\xbf"


class Event(Struct, frozen=True, gc=False):
    """One frame of a stream; `event` is the name where the framing has names and gave one."""

    event: str | None
    data: bytes


class Decoder(Protocol):
    """Owned by one stream. The events do not depend on how its bytes were split."""

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that end in `chunk`, in order.

        Raises UpstreamCutError when an event outgrows the bound or the framing is not kept; the
        decoder is of no use after that.
        """
        ...

    def finish(self) -> list[Event]:
        """The stream closed: what stands in the buffer, as an event, whole or not."""
        ...


class Encoder(Protocol):
    """Owned by one stream; the bytes it gives are written in order."""

    def encode(self, data: bytes, event: str | None = None) -> bytes:
        """One frame. `data` is a JSON text, or a word of the format's own such as `[DONE]`."""
        ...

    def comment(self, text: str = "") -> bytes:
        """Bytes that keep a connection awake and mean nothing; empty where there are none."""
        ...

    def close(self) -> bytes:
        """What stands after the last frame."""
        ...


def oversize(limit_bytes: int) -> UpstreamCutError:
    """The error for an event that is larger than a stream may hold in memory."""
    return UpstreamCutError(
        f"one event of the upstream's stream is larger than {limit_bytes} bytes"
    )
