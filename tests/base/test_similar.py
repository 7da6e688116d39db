"""Names that look alike."""

from __future__ import annotations

from omniroute.base.similar import LONGEST, similar_names


def test_the_nearest_comes_first() -> None:
    assert similar_names("gpt-5-min", ["claude", "gpt-5", "gpt-5-mini"], 2) == [
        "gpt-5-mini",
        "gpt-5",
    ]


def test_a_name_that_nobody_mistypes_is_compared_with_none() -> None:
    long = "a" * (LONGEST + 1)
    assert similar_names(long, [long[:-1]]) == []
    assert similar_names(long[:-1], [long]) == []
