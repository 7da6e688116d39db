"""Passwords of people: hashed with argon2id, in as much memory as is said here and no more."""

from __future__ import annotations

import re
from typing import Final

LEAST: Final = 8
"""Characters of a password; a shorter one is guessed."""
MOST: Final = 1024
MEMORY_KIB: Final = 19_456
"""With `PASSES`, what OWASP asks for at least: some 30 ms of one core, also on a small machine."""
PASSES: Final = 2
_BOUNDS: Final = {"m": (8_192, 131_072), "t": (1, 16), "p": (1, 8)}
"""Of a hash that somebody else made: a weak one is none, and a huge one would take the memory."""
_HASH: Final = re.compile(
    r"\$argon2id\$v=19\$m=(?P<m>\d{1,7}),t=(?P<t>\d{1,3}),p=(?P<p>\d{1,3})"
    r"\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}"
)


def is_password_hash(text: str) -> bool:
    """Whether this is an argon2id hash, `$argon2id$v=19$m=…,t=…,p=…$salt$hash`, of a fair cost."""
    found = _HASH.fullmatch(text)
    return found is not None and all(
        least <= int(found[name]) <= most for name, (least, most) in _BOUNDS.items()
    )


def hash_password(password: str) -> str:
    """A hash with a salt of its own. Blocks for some 30 ms and takes 19 MiB meanwhile."""
    from argon2 import PasswordHasher  # a library in C, for who has a password

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1).hash(password)


def fits(hashed: str, password: str) -> bool:
    """Whether the password is the one that was hashed. Blocks; see `hash_password`."""
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return PasswordHasher().verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
