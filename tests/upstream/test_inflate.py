"""Undoing gzip and deflate in bounded steps, however the bytes are split."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.errors import UpstreamCutError
from omniroute.upstream.inflate import STEP_BYTES, Inflate, coding_of, undone_headers


async def inflate(coding: str, encoded: bytes, *, size: int) -> list[bytes]:
    parts = iter([encoded[start : start + size] for start in range(0, len(encoded), size)])

    async def source() -> bytes:
        return next(parts, b"")

    decoder = Inflate(coding, source)
    steps: list[bytes] = []
    while data := await decoder.read():
        steps.append(data)
    return steps


@given(body=st.binary(max_size=2000), size=st.integers(1, 500))
@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "raw"])
async def test_any_split_gives_the_same_body(coding: str, body: bytes, size: int) -> None:
    raw = zlib.compressobj(wbits=-15)
    encoded = {
        "deflate": zlib.compress(body),
        "raw": raw.compress(body) + raw.flush(),
    }.get(coding, gzip.compress(body, mtime=0))
    named = "deflate" if coding == "raw" else coding
    assert b"".join(await inflate(named, encoded, size=size)) == body


async def test_members_of_gzip_follow_each_other() -> None:
    encoded = gzip.compress(b"one ", mtime=0) + gzip.compress(b"two")
    assert b"".join(await inflate("gzip", encoded, size=7)) == b"one two"


async def test_no_step_is_larger_than_the_bound() -> None:
    steps = await inflate("gzip", gzip.compress(b"\0" * (4 << 20)), size=1 << 20)
    assert max(map(len, steps)) <= STEP_BYTES
    assert sum(map(len, steps)) == 4 << 20


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


@pytest.mark.parametrize(
    ("stated", "coding"), [(None, None), ("", None), ("identity", None), (" GZIP ", "gzip")]
)
def test_the_coding_is_read_from_the_head(stated: str | None, coding: str | None) -> None:
    assert coding_of({} if stated is None else {"content-encoding": stated}) == coding


def test_headers_fit_the_decoded_body() -> None:
    headers = {"content-encoding": "gzip", "content-length": "9", "x": "y"}
    assert undone_headers(headers) == {"x": "y"}
