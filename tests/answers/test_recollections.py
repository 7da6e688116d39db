"""What sockets go on from: the last answers of each, all together within a bound."""

from __future__ import annotations

from omniroute.answers.recollections import EACH, Recollections


def test_a_socket_knows_its_own_last_answers_alone() -> None:
    kept = Recollections()
    for number in range(EACH + 1):
        kept.keep(1, f"r{number}", b"[]")
    assert kept.find(1, "r0") is None
    assert kept.find(1, f"r{EACH}") == b"[]"
    assert kept.find(2, f"r{EACH}") is None
    assert (kept.held(1), kept.held(2), kept.held_bytes) == (2 * EACH, 0, 2 * EACH)
    kept.forget(1)
    assert (kept.find(1, f"r{EACH}"), kept.held_bytes) == (None, 0)


def test_what_is_oldest_goes_where_there_is_no_room() -> None:
    kept = Recollections(most_bytes=10)
    kept.keep(1, "a", b"1234")
    kept.keep(2, "b", b"1234")
    kept.keep(2, "b", b"12345")  # told again
    assert (kept.find(1, "a"), kept.held_bytes) == (b"1234", 9)
    kept.keep(3, "c", b"1234")
    assert (kept.find(1, "a"), kept.find(2, "b"), kept.held_bytes) == (None, b"12345", 9)
    kept.keep(3, "d", b"x" * 11)
    assert (kept.find(3, "d"), kept.held_bytes) == (None, 9)
