"""Model globs: `*` and `?` in names such as `openai/*`, compiled once per set of patterns."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache


def _regex(pattern: str) -> str:
    return "".join(
        ".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern
    )


@lru_cache(maxsize=4096)  # many keys share few lists of models; bounded across reloads
def compile_globs(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """A test whether a whole name matches any of the patterns."""
    exact = frozenset(pattern for pattern in patterns if "*" not in pattern and "?" not in pattern)
    wild = [_regex(pattern) for pattern in patterns if pattern not in exact]
    if not wild:
        return exact.__contains__
    match = re.compile("|".join(wild), re.DOTALL).fullmatch
    return lambda name: name in exact or match(name) is not None
