"""Dot segments are found in every coding; names with dots in them are no such thing."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.base.dots import MAX_CODINGS, has_dot_segment

WORDS = st.text("abz019._-", min_size=1, max_size=6).filter(lambda word: word.strip("."))


def coded(text: str, rounds: int, *, lower: bool) -> str:
    """`text` with every character percent-encoded, and that encoded again."""
    made = "".join(f"%{ord(character):02X}" for character in text)
    for _ in range(rounds - 1):
        made = quote(made, safe="")
    return made.lower() if lower else made


@given(
    before=st.lists(WORDS, max_size=3),
    after=st.lists(WORDS, max_size=3),
    dots=st.sampled_from([".", ".."]),
    slash=st.sampled_from(["/", "\\"]),
    dots_coded=st.integers(0, MAX_CODINGS + 2),
    slash_coded=st.integers(0, MAX_CODINGS + 2),
    lower=st.booleans(),
)
def test_found_in_every_coding(
    before: list[str],
    after: list[str],
    dots: str,
    slash: str,
    dots_coded: int,
    slash_coded: int,
    *,
    lower: bool,
) -> None:
    part = coded(dots, dots_coded, lower=lower) if dots_coded else dots
    join = coded(slash, slash_coded, lower=lower) if slash_coded else slash
    assert has_dot_segment(join.join([*before, part, *after]))


@given(st.lists(WORDS, max_size=5))
def test_dots_within_names_are_none(words: list[str]) -> None:
    assert not has_dot_segment("/".join(words))
    assert not has_dot_segment(quote("/".join(words), safe=""))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/v1/models/..:generateContent", True),
        ("/v1/..;x/api", True),
        ("/v1/models/...", False),
        ("/v1/models/gpt-4.1.", False),
        ("hf.co/user/model.gguf:Q4", False),
        ("", False),
    ],
)
def test_examples(text: str, expected: bool) -> None:
    assert has_dot_segment(text) is expected
