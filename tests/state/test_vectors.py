"""The index of vectors: exact, bounded, and never across a group."""

from __future__ import annotations

import math
import struct

from hypothesis import given
from hypothesis import strategies as st

from omniroute.state.vectors import Vectors


def packed(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def at(degrees: float) -> bytes:
    return packed(math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "drop", "near"]), st.sampled_from("gh"), st.integers(0, 35)),
    max_size=40,
)


@given(STEPS)
def test_what_is_found_is_the_nearest_of_its_group(steps: list[tuple[str, str, int]]) -> None:
    vectors, known = Vectors(), dict[tuple[str, int], float]()
    for do, group, number in steps:
        name = f"{group}{number}"
        if do == "add":
            vectors.add(group, name, at(number * 10), max_entries=100)
            known[group, number] = number * 10
        elif do == "drop":
            vectors.drop(name)
            known.pop((group, number), None)
        else:
            cosines = {
                f"{g}{n}": math.cos(math.radians(angle - number * 10))
                for (g, n), angle in known.items()
                if g == group
            }
            found = list(vectors.near(group, at(number * 10), threshold=0.9))
            assert all(abs(one.similarity - cosines[one.name]) < 1e-5 for one in found)
            if found:
                assert abs(found[0].similarity - max(cosines.values())) < 1e-5
            else:
                assert max(cosines.values(), default=-1.0) < 0.9
        assert len(vectors) == len(known)


def test_what_was_used_longest_ago_goes() -> None:
    vectors = Vectors()
    for number in range(3):
        vectors.add("g", f"{number}", at(number), max_entries=3)
    vectors.used("0")
    vectors.add("g", "3", at(3), max_entries=3)
    assert [f"{number}" in vectors for number in range(4)] == [True, False, True, True]


def test_vectors_of_another_length_never_meet() -> None:
    vectors = Vectors()
    vectors.add("g", "two", at(0), max_entries=9)
    vectors.add("g", "three", packed(1, 0, 0), max_entries=9)
    assert ("three" in vectors, list(vectors.near("g", packed(1, 0, 0), threshold=0.5))) == (
        False,
        [],
    )


def test_a_vectors_length_does_not_count() -> None:
    vectors = Vectors()
    vectors.add("g", "same", packed(300.0, 400.0), max_entries=9)
    vectors.add("g", "zero", packed(0.0, 0.0), max_entries=9)
    assert [*vectors.near("g", packed(0.03, 0.04), threshold=1.0)] == [("same", 1.0)]
    assert [*vectors.near("g", packed(0.0, 0.0), threshold=0.1)] == []
