from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.errors import UpstreamCutError
from omniroute.wire.event import Event
from omniroute.wire.ndjson import NdjsonDecoder, NdjsonEncoder
from tests.wire.splits import byte_by_byte, in_two, read_all, split

CASES: dict[str, tuple[bytes, list[bytes]]] = {
    "lines": (b'{"a":1}\n{"b":2}\n', [b'{"a":1}', b'{"b":2}']),
    "crlf": (b'{"a":1}\r\n{"b":2}\r\n', [b'{"a":1}', b'{"b":2}']),
    "empty-lines": (b"\n\r\n1\n \n2\n\n", [b"1", b"2"]),
    "last-without-newline": (b"1\n2", [b"1", b"2"]),
    "byte-order-mark": (b"\xef\xbb\xbf1\n2\n", [b"1", b"2"]),
    "utf-8": ('"aé€😀"\n'.encode(), ['"aé€😀"'.encode()]),
    "nothing": (b"", []),
}


@pytest.mark.parametrize(("stream", "lines"), CASES.values(), ids=CASES)
def test_every_cut_gives_the_same_events(stream: bytes, lines: list[bytes]) -> None:
    events = [Event(None, line) for line in lines]
    assert read_all(NdjsonDecoder(), [stream]) == events
    assert read_all(NdjsonDecoder(), byte_by_byte(stream)) == events
    for chunks in in_two(stream):
        assert read_all(NdjsonDecoder(), chunks) == events, chunks


@given(st.lists(st.dictionaries(st.text(), st.text())), st.data())
def test_what_is_encoded_is_decoded(values: list[dict[str, str]], data: st.DataObject) -> None:
    encoder = NdjsonEncoder()
    lines = [encoder.encode(orjson.dumps(value)) + encoder.comment("x") for value in values]
    stream = b"".join(lines) + encoder.close()
    events = read_all(NdjsonDecoder(), data.draw(split(stream)))
    assert [event.event for event in events] == [None] * len(values)
    assert [orjson.loads(event.data) for event in events] == values


def test_a_line_stays_one_line_for_clients_that_split_text() -> None:
    value = {"text": "a\x85b\u2028c\u2029d\n\x0b\x1c“e”"}
    line = NdjsonEncoder().encode(orjson.dumps(value))
    assert line.decode().splitlines() == [line.decode().removesuffix("\n")]
    assert orjson.loads(line) == value


def test_the_bound_is_the_same_for_every_cut() -> None:
    for chunks in [[b"12345\n"], byte_by_byte(b"12345\n"), [b"12345"]]:
        assert read_all(NdjsonDecoder(max_event_bytes=5), chunks) == [Event(None, b"12345")]
        with pytest.raises(UpstreamCutError, match="larger than 4 bytes"):
            read_all(NdjsonDecoder(max_event_bytes=4), chunks)
