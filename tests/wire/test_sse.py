from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.errors import UpstreamCutError
from omniroute.wire.event import Event
from omniroute.wire.sse import NamedEncoder, SseDecoder, SseEncoder
from tests.wire.splits import byte_by_byte, in_two, read_all, split

CASES: dict[str, tuple[bytes, list[Event]]] = {
    "unnamed": (b'data: {"a":1}\n\n', [Event(None, b'{"a":1}')]),
    "named": (b"event: ping\ndata: {}\n\n", [Event("ping", b"{}")]),
    "two-in-one-read": (b"data: 1\n\ndata: 2\n\n", [Event(None, b"1"), Event(None, b"2")]),
    "crlf": (b"event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", [Event("a", b"1"), Event(None, b"2")]),
    "lone-cr": (b"event: a\rdata: 1\r\rdata: 2\r\r", [Event("a", b"1"), Event(None, b"2")]),
    "mixed-line-ends": (
        b"event: a\rdata: 1\n\r\ndata: 2\r\n\n",
        [Event("a", b"1"), Event(None, b"2")],
    ),
    "crlf-is-one-line-end": (b"data: 1\r\ndata: 2\r\n\r\n", [Event(None, b"1\n2")]),
    "no-space": (b"event:a\ndata:1\n\n", [Event("a", b"1")]),
    "only-one-space-goes": (b"data:  1 \n\n", [Event(None, b" 1 ")]),
    "comments": (b": hi\n\n:\ndata: 1\n: there\n\n", [Event(None, b"1")]),
    "several-lines": (b"data: 1\ndata: 2\ndata\ndata: 3\n\n", [Event(None, b"1\n2\n\n3")]),
    "data-before-name": (b"data: 1\nevent: a\n\n", [Event("a", b"1")]),
    "byte-order-mark": (b"\xef\xbb\xbfdata: 1\n\n", [Event(None, b"1")]),
    "second-mark-is-text": (b"\xef\xbb\xbf\xef\xbb\xbfdata: 1\n\ndata: 2\n\n", [Event(None, b"2")]),
    "id-and-retry": (b"id: 7\nretry: 10\ndata: 1\n\n", [Event(None, b"1")]),
    "unknown-field": (b"data2: x\nDATA: y\ndata: 1\n\n", [Event(None, b"1")]),
    "no-data-no-event": (b"event: a\n\ndata: \n\ndata\n\nevent: b\ndata: \n\n", []),
    "empty-name": (b"event: \ndata: 1\n\n", [Event(None, b"1")]),
    "many-empty-lines": (
        b"\n\n\ndata: 1\n\n\n\n\ndata: 2\n\n\n",
        [Event(None, b"1"), Event(None, b"2")],
    ),
    "last-without-newline": (
        b"data: 1\n\ndata: [DONE]",
        [Event(None, b"1"), Event(None, b"[DONE]")],
    ),
    "last-with-one-newline": (b"event: a\ndata: 1\r\n", [Event("a", b"1")]),
    "utf-8": ("data: aé€😀\n\n".encode(), [Event(None, "aé€😀".encode())]),
    "bad-utf-8-is-left-alone": (b"event: \xff\ndata: \xff\n\n", [Event("�", b"\xff")]),
    "nothing": (b"", []),
}


@pytest.mark.parametrize(("stream", "events"), CASES.values(), ids=CASES)
def test_every_cut_gives_the_same_events(stream: bytes, events: list[Event]) -> None:
    assert read_all(SseDecoder(), [stream]) == events
    assert read_all(SseDecoder(), byte_by_byte(stream)) == events
    for chunks in in_two(stream):
        assert read_all(SseDecoder(), chunks) == events, chunks


def test_an_event_is_given_as_soon_as_it_ends() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: 1\r\n\r") == [Event(None, b"1")]
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\ndata: 2\r\n\r\n") == [Event(None, b"2")]


any_stream = st.lists(
    st.sampled_from(
        [
            b"data",
            b":",
            b" ",
            b"event",
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"x",
            b"\xe2",
            b"\xef\xbb\xbf",
        ]
    ),
    max_size=40,
).map(b"".join)


@given(any_stream, st.data())
def test_any_split_of_any_bytes_gives_the_same_events(stream: bytes, data: st.DataObject) -> None:
    assert read_all(SseDecoder(), data.draw(split(stream))) == read_all(SseDecoder(), [stream])


names = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1)
payloads = st.binary(min_size=1).filter(lambda data: b"\r" not in data)


@given(st.lists(st.tuples(st.none() | names, payloads)), st.data())
def test_what_is_encoded_is_decoded(
    pairs: list[tuple[str | None, bytes]], data: st.DataObject
) -> None:
    encoder = NamedEncoder()
    stream = encoder.comment("hello")
    stream += b"".join(encoder.encode(text, name) + encoder.comment() for name, text in pairs)
    events = read_all(SseDecoder(), data.draw(split(stream + encoder.close())))
    assert events == [Event(name, text) for name, text in pairs]


def test_encoded_bytes() -> None:
    assert SseEncoder().encode(b"[DONE]", "ignored") == b"data: [DONE]\n\n"
    assert NamedEncoder().encode(b"{}", "ping") == b"event: ping\ndata: {}\n\n"
    assert NamedEncoder().encode(b"{}") == b"data: {}\n\n"
    assert SseEncoder().encode(b"1\r\n2\r3\n4") == b"data: 1\ndata: 2\ndata: 3\ndata: 4\n\n"
    assert SseEncoder().comment("wait") == b": wait\n\n"


def test_the_bound_is_the_same_for_every_cut() -> None:
    fits = b"data: 2345\n\n"
    for chunks in [[fits], byte_by_byte(fits)]:
        assert read_all(SseDecoder(max_event_bytes=10), chunks) == [Event(None, b"2345")]
        with pytest.raises(UpstreamCutError, match="larger than 9 bytes"):
            read_all(SseDecoder(max_event_bytes=9), chunks)


def test_an_endless_line_is_refused_while_it_comes() -> None:
    decoder = SseDecoder(max_event_bytes=100)
    decoder.feed(b"data: " + b"x" * 90)
    with pytest.raises(UpstreamCutError, match="larger than 100 bytes"):
        decoder.feed(b"x" * 10)
