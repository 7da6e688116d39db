"""What a conversation begins with, the same in each of its requests, whatever else changes."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final

from omniroute.translation.bounds import Bounds
from omniroute.translation.pair import run
from omniroute.translation.shape import is_array, is_object

_WORDS: Final = ("content", "parts", "text")
"""Members that lead to what is said. Marks of caches, ids and dates move between requests."""
_USER: Final = ("user", None)
_LONGEST: Final = 64 << 10
"""Characters that tell one beginning from another."""


def opening_of(bounds: Bounds, body: dict[str, Any]) -> str | None:
    """A digest of the first turn of the user, None where there is none that says something."""
    for place in bounds.get("messages", ()):
        turns = run(place.find, body, {"dropped": {}})
        for turn in turns if is_array(turns) else (turns,):
            if is_object(turn) and turn.get("role") not in _USER:
                continue
            said = "\n".join(_words(turn))[:_LONGEST]
            if said:
                return blake2b(said.encode(errors="replace"), digest_size=12).hexdigest()
    return None


def _words(node: Any) -> Iterator[str]:
    if type(node) is str:
        yield node
    elif is_array(node):
        for item in node:
            yield from _words(item)
    elif is_object(node):
        for name in _WORDS:
            yield from _words(node.get(name))
