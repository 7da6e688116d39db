"""What a server refused that only the gateway asked for."""

from __future__ import annotations

import pytest

from omniroute.request.unasked import KEPT_S, MAX_CONNECTIONS, Unasked, refused_of

OPTIONS = frozenset({"stream_options"})


def test_it_is_remembered_for_its_connection_and_a_time() -> None:
    unasked = Unasked()
    unasked.learn("lab/a", OPTIONS, 10.0)
    unasked.learn("lab/a", frozenset({"other"}), 10.0)
    assert unasked.of("lab/a", 9.0 + KEPT_S) == OPTIONS | {"other"}
    assert unasked.of("lab/b", 10.0) == frozenset()
    assert unasked.of("lab/a", 10.0 + KEPT_S) == frozenset()
    assert unasked.of("lab/a", 10.0) == frozenset()


def test_it_has_a_bound() -> None:
    unasked = Unasked()
    for number in range(MAX_CONNECTIONS + 1):
        unasked.learn(f"lab/{number}", OPTIONS, 0.0)
    assert unasked.of("lab/0", 1.0) == frozenset()
    assert unasked.of("lab/1", 1.0) == OPTIONS


@pytest.mark.parametrize(
    ("status", "message", "param", "refused"),
    [
        (400, "Unknown parameter: 'stream_options'.", None, True),
        (422, "Extra inputs are not permitted", "body.stream_options", True),
        (400, "Unknown parameter: 'top_k'.", "top_k", False),
        (500, "stream_options", None, False),
        (None, "stream_options", None, False),
    ],
)
def test_only_what_is_named_is_refused(
    status: int | None, message: str, param: str | None, *, refused: bool
) -> None:
    found = refused_of(("stream_options",), status=status, said=(message, param))
    assert bool(found) is refused
    assert refused_of((), status=status, said=(message, param)) == frozenset()
