from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.errors import UpstreamCutError
from omniroute.wire.event import Event
from omniroute.wire.jsonarray import JsonArrayDecoder, JsonArrayEncoder
from tests.wire.splits import byte_by_byte, in_two, read_all, split

CASES: dict[str, tuple[bytes, list[bytes]]] = {
    "compact": (b'[{"a":1},{"b":2}]', [b'{"a":1}', b'{"b":2}']),
    "pretty": (b'[{\n  "a": 1\n}\n,\r\n{}\n]\n', [b'{\n  "a": 1\n}', b"{}"]),
    "empty": (b" [ ] ", []),
    "nothing": (b"", []),
    "brackets-in-strings": (b'[{"a":"}]{"},{"b":["]"]}]', [b'{"a":"}]{"}', b'{"b":["]"]}']),
    "escapes": (
        rb'[{"a\\\"}":"\\"},{"b":"\u005d\\\\"}]',
        [rb'{"a\\\"}":"\\"}', rb'{"b":"\u005d\\\\"}'],
    ),
    "nested": (b'[{"a":{"b":[[{}]]}}]', [b'{"a":{"b":[[{}]]}}']),
    "byte-order-mark": (b"\xef\xbb\xbf[{}]", [b"{}"]),
    "utf-8": ('[{"é":"€😀"}]'.encode(), ['{"é":"€😀"}'.encode()]),
    "cut-between-elements": (b"[{},", [b"{}"]),
    "cut-in-an-element": (b'[{},{"a":"}', [b"{}", b'{"a":"}']),
}


@pytest.mark.parametrize(("stream", "elements"), CASES.values(), ids=CASES)
def test_every_cut_gives_the_same_events(stream: bytes, elements: list[bytes]) -> None:
    events = [Event(None, element) for element in elements]
    assert read_all(JsonArrayDecoder(), [stream]) == events
    assert read_all(JsonArrayDecoder(), byte_by_byte(stream)) == events
    for chunks in in_two(stream):
        assert read_all(JsonArrayDecoder(), chunks) == events, chunks


@pytest.mark.parametrize("stream", [b'{"a":1}', b"<html>", b"[1]", b"[{}] x", b"[{}}", b"[[]]"])
def test_anything_else_is_refused(stream: bytes) -> None:
    for chunks in [[stream], byte_by_byte(stream)]:
        with pytest.raises(UpstreamCutError, match="not a JSON array of objects"):
            read_all(JsonArrayDecoder(), chunks)


json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.text(), json, max_size=4), max_size=4), st.data())
def test_what_is_encoded_is_decoded(values: list[dict[str, object]], data: st.DataObject) -> None:
    encoder = JsonArrayEncoder()
    texts = [orjson.dumps(value) for value in values]
    stream = encoder.comment("x")
    stream += b"".join(encoder.encode(text) + encoder.comment("x") for text in texts)
    stream += encoder.close()
    events = read_all(JsonArrayDecoder(), data.draw(split(stream)))
    assert events == [Event(None, text) for text in texts]
    assert orjson.loads(stream) == values


def test_the_bound_is_the_same_for_every_cut() -> None:
    stream = b'[{"a":1},{}]'
    for chunks in [[stream], byte_by_byte(stream)]:
        assert len(read_all(JsonArrayDecoder(max_event_bytes=7), chunks)) == 2
        with pytest.raises(UpstreamCutError, match="larger than 6 bytes"):
            read_all(JsonArrayDecoder(max_event_bytes=6), chunks)


def test_a_large_element_in_small_pieces_is_read_once() -> None:
    text = b'{"a":"' + b'x\\"' * 200_000 + b'"}'
    stream = b"[" + text + b"]"
    pieces = [stream[at : at + 100] for at in range(0, len(stream), 100)]
    assert read_all(JsonArrayDecoder(), pieces) == [Event(None, text)]
