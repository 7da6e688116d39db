"""What the gateway asks for by itself and a server refused: which connections do without it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MAX_CONNECTIONS: Final = 1024
KEPT_S: Final = 3600.0
"""Servers are renewed; then it is tried again, which costs one refusal."""
_STATUSES: Final = (400, 422)


class Unasked:
    """One per worker; times are on the loop's clock."""

    def __init__(self) -> None:
        self._refused: OrderedDict[str, tuple[float, frozenset[str]]] = OrderedDict()

    def of(self, connection: str, now_s: float) -> frozenset[str]:
        """The fields to leave out."""
        if connection not in self._refused:
            return frozenset()
        until_s, fields = self._refused[connection]
        if now_s < until_s:
            return fields
        del self._refused[connection]
        return frozenset()

    def learn(self, connection: str, fields: frozenset[str], now_s: float) -> None:
        fields |= self.of(connection, now_s)
        self._refused[connection] = (now_s + KEPT_S, fields)
        self._refused.move_to_end(connection)
        if len(self._refused) > MAX_CONNECTIONS:
            self._refused.popitem(last=False)


def refused_of(
    added: tuple[str, ...], *, status: int | None, said: tuple[str | None, ...]
) -> frozenset[str]:
    """Those of the fields that a refusal names; none of them came from the client."""
    if status not in _STATUSES:
        return frozenset()
    return frozenset(name for name in added if any(name in words for words in said if words))
