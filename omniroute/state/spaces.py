"""Kept values in the process: least recently used goes first, bounded by entries and bytes."""

from __future__ import annotations

from collections import OrderedDict

from omniroute.state.store import Space, SpaceStats


class Shelf:
    """One space."""

    def __init__(self) -> None:
        self.entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self.size_bytes = 0
        self.hits = self.misses = self.evictions = 0

    def get(self, key: str, now_s: float) -> bytes | None:
        entry = self.entries.get(key)
        if entry is None or entry[1] <= now_s:
            if entry is not None:
                self.delete(key)
            self.misses += 1
            return None
        self.entries.move_to_end(key)
        self.hits += 1
        return entry[0]

    def peek(self, key: str, now_s: float) -> bytes | None:
        """The value without counting as its use."""
        entry = self.entries.get(key)
        return entry[0] if entry is not None and entry[1] > now_s else None

    def put(self, space: Space, key: str, value: bytes, expires_at_s: float) -> None:
        """A value that would not fit alone is not kept, and pushes nothing out."""
        self.delete(key)
        size = len(key) + len(value)
        if size > space.max_bytes or space.max_entries < 1:
            return
        while self.entries and (
            len(self.entries) >= space.max_entries or self.size_bytes + size > space.max_bytes
        ):
            self.delete(next(iter(self.entries)))
            self.evictions += 1
        self.entries[key] = (value, expires_at_s)
        self.size_bytes += size

    def delete(self, key: str) -> None:
        entry = self.entries.pop(key, None)
        if entry is not None:
            self.size_bytes -= len(key) + len(entry[0])

    def count(self, now_s: float) -> int:
        """Entries that have not run out."""
        return sum(expires_at_s > now_s for _, expires_at_s in self.entries.values())

    def sweep(self, now_s: float) -> None:
        for key in [key for key, entry in self.entries.items() if entry[1] <= now_s]:
            self.delete(key)

    def clear(self) -> int:
        count = len(self.entries)
        self.entries.clear()
        self.size_bytes = 0
        return count

    def stats(self) -> SpaceStats:
        return SpaceStats(
            entries=len(self.entries),
            size_bytes=self.size_bytes,
            hits=self.hits,
            misses=self.misses,
            evictions=self.evictions,
        )
