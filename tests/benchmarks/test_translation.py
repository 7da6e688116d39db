"""The measured conversation is the same in every format."""

from __future__ import annotations

import orjson

from benchmarks.translation import FORMATS, Bench, chat_body
from tests.translation.tables import formats


def test_every_pair_is_measured_on_a_body_that_says_the_same() -> None:
    bench = Bench(formats())
    assert set(bench.bodies) == set(bench.answers) == set(bench.streams) == set(FORMATS)
    said = [message["content"] for message in chat_body()["messages"]]
    for body in bench.bodies.values():
        assert all(text.encode() in body for text in said if text)
        assert len(orjson.loads(body)["tools"]) in (1, 5)
    assert all(b"word " in b"".join(frames) for frames in bench.streams.values())
