"""Refusals in a row: of one credential, or of one credential for one model.

The first one may be an accident of the provider, so the rest after it is short; each further one
doubles it, up to the longest. Whatever is answered ends them at once.
"""

from __future__ import annotations

from omniroute.config.model import Cooldown


class Refusals:
    """Mutable, owned by a record of `LiveState`; times are seconds of its clock."""

    __slots__ = ("_at_s", "count", "since_s")

    def __init__(self) -> None:
        self.count = 0
        self.since_s = 0.0
        """Of the first in the row, while there is one."""
        self._at_s = 0.0

    def add(self, settings: Cooldown, *, began_s: float, now_s: float) -> float | None:
        """How long to rest; None for a request that was under way at the last one already: many at
        once are one refusal."""
        if self.count and began_s <= self._at_s:
            return None
        if not self.count:
            self.since_s = now_s
        self._at_s = now_s
        self.count += 1
        return min(settings.auth_first_s * 2.0 ** min(self.count - 1, 30), settings.auth_s)

    def end(self, began_s: float) -> bool:
        """A request was answered: whether that ends a row. One from before says nothing."""
        if not self.count or began_s < self._at_s:
            return False
        self.clear()
        return True

    def clear(self) -> None:
        self.count = 0
