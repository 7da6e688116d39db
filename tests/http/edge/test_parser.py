"""Requests off the wire: what is taken, what is refused, however the bytes are cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.http.edge.parser import (
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    End,
    Head,
    HeadError,
    RequestParser,
)


class Case(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    sent: str
    taken: list[list[str]] = []
    refused: int | None = None


CASES = msgspec.yaml.decode((Path(__file__).parent / "heads.yaml").read_bytes(), type=list[Case])


def read(pieces: list[bytes]) -> tuple[list[list[str]], int | None]:
    """Method, target and body of each request, and the status of a refusal."""
    parser = RequestParser()
    for piece in pieces:
        parser.feed(piece)
    found: list[list[str]] = []
    body = b""
    for event in parser.events:
        match event:
            case Head():
                found.append([event.method, event.target.decode(), ""])
                body = b""
            case bytes():
                body += event
            case End():
                found[-1][2] = body.decode()
            case HeadError():
                return found, event.status
    return found, None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_heads_and_bodies(case: Case) -> None:
    sent = case.sent.encode()
    found, refused = read([sent])
    assert refused == case.refused
    if refused is None:
        assert found == case.taken
    assert read([sent[at : at + 1] for at in range(len(sent))])[1] == case.refused


@pytest.mark.parametrize("split", [False, True])
def test_a_large_body_is_no_part_of_a_head(*, split: bool) -> None:
    head = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n"
    sent = [head, b"x" * 200_000] if split else [head + b"x" * 200_000]
    taken = [["POST", "/a", "x" * 200_000]]
    assert read(sent * 2) == (taken * 2, None)


@given(data=st.data())
def test_every_split_reads_the_same(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from([case for case in CASES if case.refused is None]))
    sent = case.sent.encode()
    cuts = sorted(data.draw(st.sets(st.integers(1, len(sent) - 1), max_size=6)))
    pieces = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert read(pieces) == (case.taken, None)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("X: " + "a" * 2 * MAX_HEAD_BYTES, id="one long value"),
        pytest.param("X" * 2 * MAX_HEAD_BYTES + ": a", id="one long name"),
        pytest.param("\r\n".join(["X: y"] * (MAX_HEADERS + 1)), id="many"),
    ],
)
def test_a_head_that_is_too_large_is_refused_before_it_ends(head: str) -> None:
    whole = f"GET / HTTP/1.1\r\nHost: a\r\n{head}".encode()
    assert read([whole])[1] == 431
    parser = RequestParser()
    for at in range(0, len(whole), 100):
        parser.feed(whole[at : at + 100])
    assert [type(event) for event in parser.events] == [HeadError]


def test_a_whole_head_of_many_lines_is_refused_in_one_piece() -> None:
    lines = "\r\n".join(["X: y"] * MAX_HEADERS)
    assert read([f"GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n".encode()])[1] == 431
    assert read([b"GET /" + b"a" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: a\r\n\r\n"])[1] == 414


@pytest.mark.parametrize("size", [MAX_HEAD_BYTES - 100, 100])
def test_a_head_within_the_bound_is_taken(size: int) -> None:
    value = "a" * (size - 50)
    found: Any = read([f"GET /x HTTP/1.1\r\nHost: a\r\nX: {value}\r\n\r\n".encode()])
    assert found == ([["GET", "/x", ""]], None)


def test_a_value_keeps_what_is_not_ascii() -> None:
    parser = RequestParser()
    parser.feed(b"GET / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa4\xff \r\n\r\n")
    head = parser.events[0]
    assert isinstance(head, Head)
    assert dict(head.headers)["x"] == "ä\udcff"
