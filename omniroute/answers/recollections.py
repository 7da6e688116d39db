"""What a WebSocket's later requests may go on from although nobody wants it kept: in memory, for as
long as the socket is open, and all sockets of a worker together within a bound."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MOST_BYTES: Final = 128 << 20
EACH: Final = 8
"""Answers of one socket, which may have several conversations on it."""


class Recollections:
    """Conversations as JSON, by the socket that they were held on and their last answer's id."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[int, str], bytes] = OrderedDict()
        self._names: dict[int, list[str]] = {}
        self.held_bytes = 0

    def keep(self, socket: int, identity: str, items: bytes) -> None:
        """What is oldest goes where there is no room; what is larger than all room is not kept."""
        self._drop(socket, identity)
        if len(items) > self._most_bytes:
            return
        names = self._names.setdefault(socket, [])
        names.append(identity)
        self._kept[socket, identity] = items
        self.held_bytes += len(items)
        if len(names) > EACH:
            self._drop(socket, names[0])
        while self.held_bytes > self._most_bytes:
            self._drop(*next(iter(self._kept)))

    def find(self, socket: int, identity: str) -> bytes | None:
        return self._kept.get((socket, identity))

    def held(self, socket: int) -> int:
        """How many bytes are kept for it."""
        return sum(len(self._kept[socket, name]) for name in self._names.get(socket, ()))

    def forget(self, socket: int) -> None:
        """The socket is closed."""
        for identity in tuple(self._names.get(socket, ())):
            self._drop(socket, identity)

    def _drop(self, socket: int, identity: str) -> None:
        items = self._kept.pop((socket, identity), None)
        if items is None:
            return
        self.held_bytes -= len(items)
        names = self._names[socket]
        names.remove(identity)
        if not names:
            del self._names[socket]
