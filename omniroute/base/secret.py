"""Secrets that cannot be printed by accident, compared in constant time."""

from __future__ import annotations

import hmac
from typing import Final

MASK: Final = "***"


class Secret:
    """Holds a secret; `str`, `repr` and f-strings give a mask, only `reveal` gives the value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def masked(self) -> str:
        """A hint for people: the last four characters of a long secret, nothing of a short one."""
        return f"…{self._value[-4:]}" if len(self._value) >= 16 else MASK

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)


def redact(text: str, secrets: tuple[Secret, ...]) -> str:
    """`text` with every occurrence of a known secret of four or more characters masked."""
    for secret in secrets:
        value = secret.reveal()
        if len(value) >= 4:
            text = text.replace(value, MASK)
    return text
