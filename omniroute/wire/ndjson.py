"""One JSON text per line, both ways."""

from __future__ import annotations

from omniroute.wire.event import BOM, MAX_EVENT_BYTES, Event, oversize


class NdjsonDecoder:
    """Lines end with LF, blanks around them do not count, empty lines are skipped."""

    __slots__ = ("_limit_bytes", "_pending", "_pending_bytes")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._limit_bytes = max_event_bytes
        self._pending: list[bytes] = []
        self._pending_bytes = 0

    def feed(self, chunk: bytes) -> list[Event]:
        if self._pending:
            self._pending.append(chunk)
            self._pending_bytes += len(chunk)
            if b"\n" not in chunk:
                if self._pending_bytes > self._limit_bytes:
                    raise oversize(self._limit_bytes)
                return []
            chunk = b"".join(self._pending)
            self._pending.clear()
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if rest:
            if len(rest) > self._limit_bytes:
                raise oversize(self._limit_bytes)
            self._pending.append(rest)
            self._pending_bytes = len(rest)
        return self._events(lines)

    def finish(self) -> list[Event]:
        rest = b"".join(self._pending)
        self._pending.clear()
        return self._events([rest])

    def _events(self, lines: list[bytes]) -> list[Event]:
        events: list[Event] = []
        for line in lines:
            if len(line) > self._limit_bytes:
                raise oversize(self._limit_bytes)
            text = line.removeprefix(BOM).strip()
            if text:
                events.append(Event(None, text))
        return events


class NdjsonEncoder:
    """Data must be a JSON text on one line, as `orjson.dumps` writes it.

    Clients that split text, not bytes, take some characters for line ends too (Ollama's does, by
    way of httpx). Within JSON they stand in strings only, where they can be escaped.
    """

    __slots__ = ()

    def encode(self, data: bytes, event: str | None = None) -> bytes:
        if b"\xe2\x80" in data or b"\xc2\x85" in data:
            data = data.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
            data = data.replace(b"\xc2\x85", b"\\u0085")
        return data + b"\n"

    def comment(self, text: str = "") -> bytes:
        """None: an empty line is a parse error to the clients of such streams."""
        return b""

    def close(self) -> bytes:
        return b""
