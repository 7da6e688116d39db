"""Names that look alike, for hints about a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

LONGEST: Final = 200
"""Characters of a name that is compared at all: nobody mistypes a longer one."""
_CUTOFF: Final = 0.6


def similar_names(name: str, known: Iterable[str], count: int = 1) -> list[str]:
    """The known names that look most like `name`, the nearest first; none where none is close."""
    if len(name) > LONGEST:
        return []
    return get_close_matches(
        name, (one for one in known if len(one) <= LONGEST), n=count, cutoff=_CUTOFF
    )
