from __future__ import annotations

import pytest

from omniroute.wire.event import Event
from omniroute.wire.framing import FRAMINGS

FRAMES = {
    "sse": b'data: {"a":1}\n\ndata: {}\n\n',
    "sse-named": b'event: x\ndata: {"a":1}\n\nevent: x\ndata: {}\n\n',
    "ndjson": b'{"a":1}\n{}\n',
    "json-array": b'[{"a":1},\r\n{}]',
}


def test_every_framing_is_here() -> None:
    assert FRAMES.keys() == FRAMINGS.keys()


@pytest.mark.parametrize("name", FRAMES)
def test_one_shape_for_all(name: str) -> None:
    encoder = FRAMINGS[name].encoder()
    stream = encoder.encode(b'{"a":1}', "x") + encoder.encode(b"{}", "x") + encoder.close()
    assert stream == FRAMES[name]
    label = "x" if name == "sse-named" else None
    decoder = FRAMINGS[name].decoder()
    assert decoder.feed(stream) + decoder.finish() == [
        Event(label, b'{"a":1}'),
        Event(label, b"{}"),
    ]
