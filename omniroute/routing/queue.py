"""A connection's own queue: so many at once, so many a minute, so far apart, in order of arrival.

Two things are waited for, one after the other: a place (`max_concurrent`) and a time (`min_gap`,
`requests_per_minute`). A place comes when somebody leaves, so whoever waits gets a `Ticket` that is
granted in order of arrival. A time is known at once and is reserved: the caller holds its place and
starts then. Nothing here waits; the pipeline does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from omniroute.config.model import Queue

MAX_WAITING: Final = 10_000  # per connection; memory, and beyond it nobody is served in time anyway
_MAX_STARTS: Final = 10_000  # start times kept to hold a per-minute bound exactly


class Ticket:
    """Something that is waited for. Who waits sets `wake`; it is called once, when granted."""

    __slots__ = ("granted", "wake")

    def __init__(self) -> None:
        self.granted = False
        self.wake: Callable[[], None] | None = None

    def grant(self) -> None:
        self.granted = True
        if self.wake is not None:
            self.wake()


class Go(Struct, frozen=True):
    """A place was taken; start at `at_s`, which may be now."""

    at_s: float


class Full(Struct, frozen=True):
    """Nothing was taken: the wait would be longer than allowed."""

    until_s: float


class ConnectionQueue:
    """Accounting for one connection. `in_flight` counts the places taken."""

    __slots__ = ("_next_start_s", "_starts_s", "_waiting", "in_flight")

    def __init__(self) -> None:
        self.in_flight = 0
        self._waiting: deque[Ticket] = deque()
        self._next_start_s = 0.0
        self._starts_s: deque[float] = deque()

    @property
    def queued(self) -> int:
        return len(self._waiting)

    def has_room(self, queue: Queue, now_s: float) -> bool:
        """Whether a request could start at once."""
        limit = queue.max_concurrent
        if limit > 0 and (self.in_flight >= limit or self._waiting):
            return False
        if queue.min_gap_s <= 0 and queue.requests_per_minute <= 0:
            return True
        return self._start_s(queue, now_s) <= now_s

    def reserve(self, queue: Queue, now_s: float) -> Go | Ticket | Full:
        """A place and a time, or a place in the line, or nothing."""
        limit = queue.max_concurrent
        if limit > 0 and (self.in_flight >= limit or self._waiting):
            if queue.max_wait_s <= 0 or len(self._waiting) >= MAX_WAITING:
                return Full(now_s + queue.max_wait_s)
            ticket = Ticket()
            self._waiting.append(ticket)
            return ticket
        self.in_flight += 1
        return self.schedule(queue, now_s)

    def schedule(self, queue: Queue, now_s: float) -> Go | Full:
        """A start time for one who has a place; on Full the place is given up."""
        if queue.min_gap_s <= 0 and queue.requests_per_minute <= 0:
            return Go(now_s)
        at_s = self._start_s(queue, now_s)
        if at_s - now_s > queue.max_wait_s:
            self.release()
            return Full(at_s)
        self._next_start_s = at_s + queue.min_gap_s
        kept, _ = _window(queue.requests_per_minute)
        if kept:
            self._starts_s.append(at_s)
            while len(self._starts_s) > kept:
                self._starts_s.popleft()
        return Go(at_s)

    def _start_s(self, queue: Queue, now_s: float) -> float:
        at_s = max(now_s, self._next_start_s) if queue.min_gap_s > 0 else now_s
        kept, span_s = _window(queue.requests_per_minute)
        if kept and len(self._starts_s) >= kept:
            at_s = max(at_s, self._starts_s[-kept] + span_s)
        return at_s

    def withdraw(self, ticket: Ticket) -> None:
        """Leave the line; a place that was granted meanwhile passes on."""
        if ticket.granted:
            self.release()
        elif ticket in self._waiting:
            self._waiting.remove(ticket)

    def release(self) -> None:
        """A place is free: the first in line has it."""
        if self._waiting:
            self._waiting.popleft().grant()
        else:
            self.in_flight -= 1


def _window(per_minute: int) -> tuple[int, float]:
    """How many start times to keep, and over how long; a large bound is held over a part of it."""
    if per_minute <= 0:
        return 0, 0.0
    kept = min(per_minute, _MAX_STARTS)
    return kept, 60.0 * kept / per_minute
