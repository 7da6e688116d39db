"""A sliding window of amounts: exact for rare events, bounded memory for frequent ones.

Events that lie closer together than a sixty-fourth of the window share a mark. A mark counts as
a whole until its last event has left the window, so any `window_s` seconds hold at most what was
allowed; room comes back at most that sixty-fourth late.
"""

from __future__ import annotations

from collections import deque

MARKS = 64
"""At most this many marks per window, plus the one that is leaving."""


class WindowMark:
    """Events between `first_s` and `last_s`, both included, that add up to `amount`."""

    __slots__ = ("amount", "first_s", "last_s")

    def __init__(self, first_s: float, last_s: float, amount: int) -> None:
        self.first_s = first_s
        self.last_s = last_s
        self.amount = amount


class Window:
    """Amounts of the last `window_s` seconds. A clock that goes back counts as standing still."""

    __slots__ = ("_grain_s", "marks", "total", "window_s")

    def __init__(self, window_s: float) -> None:
        self.window_s = window_s
        self.total = 0
        self.marks: deque[WindowMark] = deque()
        self._grain_s = window_s / MARKS

    def used(self, now_s: float) -> int:
        """The sum within the window that ends now; forgets what has left it."""
        marks = self.marks
        start_s = now_s - self.window_s
        while marks and marks[0].last_s <= start_s:
            self.total -= marks.popleft().amount
        return self.total

    def add(self, now_s: float, amount: int) -> None:
        marks = self.marks
        if marks:
            last = marks[-1]
            now_s = max(now_s, last.last_s)
            if now_s - last.first_s < self._grain_s:
                last.last_s = now_s
                last.amount += amount
                self.total += amount
                return
        marks.append(WindowMark(now_s, now_s, amount))
        self.total += amount

    def adjust(self, at_s: float, change: int) -> None:
        """Correct what was added at `at_s`; nothing to do when that has left the window."""
        for mark in reversed(self.marks):
            if mark.first_s <= at_s:
                if at_s <= mark.last_s:
                    change = max(change, -mark.amount)
                    mark.amount += change
                    self.total += change
                return

    def wait_s(self, now_s: float, excess: int) -> float | None:
        """Seconds until `excess` has left, as far as is known now; None when it never will."""
        for mark in self.marks:
            excess -= mark.amount
            if excess <= 0:
                # Rounding must not make a full window look a second longer to Retry-After.
                return min(self.window_s, max(0.0, mark.last_s + self.window_s - now_s))
        return None
