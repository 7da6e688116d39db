"""Texts that clients choose, of any length: how much of one is kept, remembered or told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from typing import Final, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_KEPT: Final = 256
"""Characters of a text that is kept as it is: every honest name is shorter."""
_DIGEST_BYTES: Final = 8


def shortened(text: str, limit: int = LONGEST_KEPT) -> str:
    """At most `limit` characters, of which a long text's last are a digest of the whole.

    The same text always becomes the same one, another text another one.
    """
    if len(text) <= limit:
        return text
    digest = digest_of(text, _DIGEST_BYTES)
    return f"{text[: max(0, limit - len(digest) - 1)]}_{digest}"[-limit:]


def digest_of(text: str, size_bytes: int) -> str:
    """A steady digest, in hexadecimal; lone surrogates are taken."""
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=size_bytes).hexdigest()


def cached_if_short(entries: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Keep what a function of texts gave, least recently used first to go.

    For long texts it is worked out again: so many entries must not be so many times any size.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        kept = lru_cache(maxsize=entries)(function)

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            length = sum(map(len, cast("tuple[str, ...]", args)))
            return function(*args, **kwargs) if length > LONGEST_KEPT else kept(*args)

        return call

    return decorate


def listed(names: Sequence[str], limit: int) -> str:
    """Names joined by commas, within about `limit` characters; how many more there are is told."""
    shown, room = list[str](), limit
    for name in names:
        short = shortened(name)
        room -= len(short) + 1
        if room < 0:
            return ",".join([*shown, f"... and {len(names) - len(shown)} more"])
        shown.append(short)
    return ",".join(shown)
