"""Texts of any length: what is kept of them is short, and still tells them apart."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.admission.ipfilter import parse_address
from omniroute.base.chosen import LONGEST_KEPT, cached_if_short, listed, shortened
from omniroute.catalog.pricing import has_price
from omniroute.translation.functions import made_id
from omniroute.upstream.origin import split_url

MB = 1_000_000


@given(st.text(min_size=LONGEST_KEPT + 1), st.text())
def test_what_is_shortened_is_short_steady_and_distinct(one: str, other: str) -> None:
    assert len(shortened(one)) == LONGEST_KEPT
    assert (shortened(one) == shortened(other)) is (one == other)


def test_short_texts_stay_as_they_are() -> None:
    assert shortened("u" * LONGEST_KEPT) == "u" * LONGEST_KEPT


def test_a_lone_surrogate_can_be_shortened() -> None:
    assert len(shortened("\udcff" * 1000)) == LONGEST_KEPT


def test_long_texts_are_worked_out_again() -> None:
    asked: list[str] = []

    @cached_if_short(10)
    def length(one: str, other: str) -> int:
        asked.append(one)
        return len(one + other)

    for _ in range(2):
        assert length("a", "b") == 2
        assert length("a" * LONGEST_KEPT, "b") == LONGEST_KEPT + 1
    assert list(map(len, asked)) == [1, LONGEST_KEPT, LONGEST_KEPT]


@pytest.mark.parametrize(
    ("names", "limit", "said"),
    [
        pytest.param([], 10, "", id="none"),
        pytest.param(["a", "b"], 4, "a,b", id="as many as fit"),
        pytest.param(["a", "b", "c", "d"], 4, "a,b,... and 2 more", id="more"),
        pytest.param(["abcdef"], 4, "... and 1 more", id="none fits"),
    ],
)
def test_lists_end_with_how_many_more_there_are(names: list[str], limit: int, said: str) -> None:
    assert listed(names, limit) == said


CACHED: dict[str, Callable[[str], object]] = {
    "addresses": parse_address,
    "ids": lambda text: made_id("x", text),
    "prices": lambda text: has_price("openai", text),
    "urls": lambda text: split_url(f"http://a/{text}"),
}


@pytest.mark.parametrize("ask", CACHED.values(), ids=CACHED)
def test_no_cache_keeps_what_is_long(ask: Callable[[str], object]) -> None:
    ask("what is loaded first")
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(100):
            ask(f"{number:050000}")
        assert tracemalloc.get_traced_memory()[0] - before < MB
    finally:
        tracemalloc.stop()
