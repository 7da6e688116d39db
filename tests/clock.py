"""A clock that tests move by hand."""

from __future__ import annotations

from datetime import datetime, timedelta


class ManualClock:
    """Stands still until `advance` is called; both readings move together."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._monotonic_s = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic_s += seconds
