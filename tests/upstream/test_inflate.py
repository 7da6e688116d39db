"""Content codings of answers: undone as they are read, and a cut when they cannot be."""

from __future__ import annotations

import gzip
import zlib

import pytest

from omniroute.errors import UpstreamCutError
from omniroute.upstream.inflate import Inflate, undone_headers


async def inflate(coding: str, encoded: bytes, *, size: int) -> list[bytes]:
    parts = iter([encoded[start : start + size] for start in range(0, len(encoded), size)])

    async def source() -> bytes:
        return next(parts, b"")

    decoder = Inflate(coding, source)
    steps: list[bytes] = []
    while data := await decoder.read():
        steps.append(data)
    return steps


async def test_an_answer_is_read_piece_by_piece() -> None:
    assert b"".join(await inflate("gzip", gzip.compress(b"one two", mtime=0), size=3)) == b"one two"


async def test_an_empty_body_needs_no_header_of_gzip() -> None:
    assert await inflate("gzip", b"", size=1) == []


@pytest.mark.parametrize(
    ("coding", "encoded"),
    [
        ("gzip", b"not gzip at all"),
        ("gzip", gzip.compress(b"x" * 99, mtime=0)[:-4]),
        ("deflate", zlib.compress(b"x" * 99)[:-1]),
        ("br", b""),
        ("gzip, gzip", b""),
    ],
)
async def test_what_cannot_be_undone_is_a_cut(coding: str, encoded: bytes) -> None:
    with pytest.raises(UpstreamCutError):
        await inflate(coding, encoded, size=3)


def test_headers_fit_the_decoded_body() -> None:
    headers = {"content-encoding": "gzip", "content-length": "9", "x": "y"}
    assert undone_headers(headers) == {"x": "y"}
