"""Usage by estimate, for answers whose providers do not count: budgets and costs need a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from omniroute.config.model import ModelKind
from omniroute.translation.values import Usage

COUNTED: Final[frozenset[ModelKind]] = frozenset({"chat", "embedding"})
"""Kinds of models that all count tokens. Of the others a number that nobody said is unknown."""


def estimated(usage: Usage, asked: Callable[[], int], output: Callable[[], int]) -> Usage | None:
    """`usage` with estimates where it says nothing; None where the provider counted both sides.

    `asked` tells the tokens of the request, `output` those of the answer. What the provider said is
    kept: of an input of which only the cached part is known, the rest is estimated.
    """
    if usage.input_uncached is not None and usage.output is not None:
        return None
    if usage.input_uncached is None:
        cached = (usage.cache_read or 0) + (usage.cache_write or 0)
        rest = max(0, asked() - cached)
        usage = msgspec.structs.replace(usage, input_uncached=rest)
    if usage.output is None:
        usage = msgspec.structs.replace(usage, output=max(output(), usage.reasoning or 0))
    return usage
