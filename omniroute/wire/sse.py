"""Server-sent events, both ways: with event names (`sse-named`) and without (`sse`).

Reading follows the event stream grammar of the HTML standard, 9.2.6, with one exception: an event
that the end of the stream cut off is delivered, since some providers leave out the last newline.
`id` and `retry` are skipped: no model API uses them.
"""

from __future__ import annotations

from omniroute.wire.event import BOM, MAX_EVENT_BYTES, Event, oversize


class SseDecoder:
    """Any split of the body in, the same events out.

    Line ends become LF as they arrive; a CR that ends a chunk is a line end at once, and the LF
    that may follow it is skipped then. So an event ends at the first empty line, which is LF LF.
    Pieces of an unfinished event are joined only when its end is here: large events stay linear.
    """

    __slots__ = ("_after_cr", "_at_start", "_limit_bytes", "_pending", "_pending_bytes")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._limit_bytes = max_event_bytes
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[Event]:
        if chunk and (self._after_cr or b"\r" in chunk):
            chunk = self._with_lf(chunk)
        if not chunk:
            return []
        if self._at_start:
            chunk = self._without_bom(chunk)
        if self._pending:
            pending = self._pending
            pending.append(chunk)
            self._pending_bytes += len(chunk)
            if b"\n\n" not in chunk and not (chunk[0] == 10 and pending[-2][-1] == 10):
                if self._pending_bytes > self._limit_bytes + 1:
                    raise oversize(self._limit_bytes)
                return []
            chunk = b"".join(pending)
            pending.clear()
        blocks = chunk.split(b"\n\n")
        rest = blocks.pop()
        if rest:
            if len(rest) > self._limit_bytes + 1:  # its last byte may be half of an empty line
                raise oversize(self._limit_bytes)
            self._pending.append(rest)
            self._pending_bytes = len(rest)
        events: list[Event] = []
        for block in blocks:
            event = self._event(block)
            if event is not None:
                events.append(event)
        return events

    def finish(self) -> list[Event]:
        event = self._event(b"".join(self._pending))
        self._pending.clear()
        return [] if event is None else [event]

    def _with_lf(self, chunk: bytes) -> bytes:
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _without_bom(self, chunk: bytes) -> bytes:
        """Holds a start that may still become a byte order mark; gives the rest without it."""
        start = b"".join((*self._pending, chunk))
        self._pending.clear()
        if len(start) < len(BOM) and BOM.startswith(start):
            return start
        self._at_start = False
        return start.removeprefix(BOM)

    def _event(self, block: bytes) -> Event | None:
        if len(block) > self._limit_bytes:
            raise oversize(self._limit_bytes)
        if block.startswith(b"data: "):
            if b"\n" not in block:
                return Event(None, block[6:]) if len(block) > 6 else None
        elif block.startswith(b"event: "):
            end = block.find(b"\n")
            start = end + 7
            if block.startswith(b"data: ", end + 1) and block.find(b"\n", start) < 0:
                name = block[7:end].decode("utf-8", "replace") or None
                return Event(name, block[start:]) if len(block) > start else None
        return _read_fields(block)


def _read_fields(block: bytes) -> Event | None:
    """Any event by the grammar, line by line; None when it has no data."""
    name: str | None = None
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ").decode("utf-8", "replace") or None
    joined = b"\n".join(data)
    return Event(name, joined) if joined else None


class SseEncoder:
    """Events without names."""

    __slots__ = ()

    def encode(self, data: bytes, event: str | None = None) -> bytes:
        if b"\n" in data or b"\r" in data:
            data = _on_several_lines(data)
        return b"data: " + data + b"\n\n"

    def comment(self, text: str = "") -> bytes:
        return b": " + text.encode() + b"\n\n"

    def close(self) -> bytes:
        return b""


class NamedEncoder(SseEncoder):
    """Events with their names, where one is given."""

    __slots__ = ()

    def encode(self, data: bytes, event: str | None = None) -> bytes:
        frame = SseEncoder.encode(self, data)
        return frame if event is None else b"event: " + event.encode() + b"\n" + frame


def _on_several_lines(data: bytes) -> bytes:
    """A line end inside data cannot be sent as it is: each line gets a `data:` of its own."""
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return lines.replace(b"\n", b"\ndata: ")
