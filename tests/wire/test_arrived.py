"""What an answer is, told by its first bytes."""

from __future__ import annotations

import pytest

from omniroute.wire.arrived import events_of, first_byte, is_page


@pytest.mark.parametrize(
    ("data", "first"),
    [
        (b"", b""),
        (b" \r\n\t", b""),
        (b"\xef\xbb", b""),
        (b"\xef\xbb\xbf", b""),
        (b"\xef\xbb\xbf \n{", b"{"),
        (b"\n\ndata: 1", b"d"),
        (b": wait\n\n", b":"),
        (b"[", b"["),
    ],
)
def test_the_first_byte_that_tells_something(data: bytes, first: bytes) -> None:
    assert first_byte(data) == first


def test_a_page_is_no_answer() -> None:
    assert is_page(b"\xef\xbb\xbf\n<!doctype html>")
    assert is_page(b"<?xml version='1.0'?>")
    assert not is_page(b'{"text": "<html>"}')
    assert not is_page(b"")


@pytest.mark.parametrize(
    "data",
    [
        b'data: {"a":1}\n\ndata: {"a":2}\n\n',
        b': wait\r\n\r\nevent: x\r\ndata: {"a":1}\r\n\r\ndata: {"a":2}',
        b'{"a":1}\n{"a":2}',
        b'\n[{"a":1},\r\n{"a":2}]\n',
    ],
)
def test_events_are_found_in_any_framing(data: bytes) -> None:
    assert [event.data for event in events_of(data)] == [b'{"a":1}', b'{"a":2}']
