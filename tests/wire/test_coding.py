"""Content codings undone in bounded steps, however the bytes are split."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.errors import CodingError
from omniroute.wire.coding import STEP_BYTES, Inflater, coding_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def raw_deflate(body: bytes) -> bytes:
    raw = zlib.compressobj(wbits=-15)
    return raw.compress(body) + raw.flush()


def framed(body: bytes, *, window_log: int) -> bytes:
    """A frame whose reader has to remember that much."""
    frame = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: window_log})
    return frame.compress(body) + frame.flush()


def gzipped(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


ENCODE: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzipped,
    "deflate": zlib.compress,
    "raw": raw_deflate,
    "zstd": zstd.compress,
}


def steps_of(coding: str, encoded: bytes, size: int) -> tuple[list[bytes], Inflater]:
    inflater = Inflater(coding)
    steps: list[bytes] = []
    for start in range(0, len(encoded), size):
        inflater.feed(encoded[start : start + size])
        while data := inflater.step():
            steps.append(data)
    return steps, inflater


@given(body=st.binary(max_size=2000), size=st.integers(1, 500))
@pytest.mark.parametrize("name", ENCODE)
def test_any_split_gives_the_same_body(name: str, body: bytes, size: int) -> None:
    coding = "deflate" if name == "raw" else name
    steps, inflater = steps_of(coding, ENCODE[name](body), size)
    assert b"".join(steps) == body
    assert inflater.is_whole


@pytest.mark.parametrize("name", ENCODE)
@pytest.mark.parametrize("length", [STEP_BYTES, 2 * STEP_BYTES, 4 << 20])
def test_no_step_is_larger_than_the_bound(name: str, length: int) -> None:
    coding = "deflate" if name == "raw" else name
    steps, inflater = steps_of(coding, ENCODE[name](b"\0" * length), 1 << 20)
    assert max(map(len, steps)) <= STEP_BYTES
    assert (sum(map(len, steps)), inflater.is_whole) == (length, True)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_members_follow_each_other(coding: str) -> None:
    encoded = ENCODE[coding](b"one ") + ENCODE[coding](b"two")
    steps, inflater = steps_of(coding, encoded, 7)
    assert (b"".join(steps), inflater.members, inflater.is_whole) == (b"one two", 2, True)


def test_what_follows_a_deflated_body_is_padding() -> None:
    steps, inflater = steps_of("deflate", zlib.compress(b"one") + b"\0\0", 7)
    assert (steps, inflater.is_whole) == ([b"one"], True)


@pytest.mark.parametrize("name", ENCODE)
def test_what_ends_too_early_is_not_whole(name: str) -> None:
    coding = "deflate" if name == "raw" else name
    assert not steps_of(coding, ENCODE[name](b"x" * 99)[:-1], 7)[1].is_whole


@pytest.mark.parametrize(
    ("coding", "encoded"),
    [
        ("br", b""),
        ("gzip, gzip", b""),
        ("gzip", b"not gzip at all"),
        ("zstd", b"not zstd at all"),
        ("zstd", framed(b"x", window_log=24)),
    ],
    ids=["unknown", "two", "no gzip", "no zstd", "a large window"],
)
def test_what_cannot_be_undone(coding: str, encoded: bytes) -> None:
    with pytest.raises(CodingError):
        steps_of(coding, encoded, 1 << 20)


@pytest.mark.parametrize(
    ("stated", "coding"),
    [(None, None), ("", None), ("identity", None), (" GZIP ", "gzip"), ("x-gzip", "gzip")],
)
def test_the_coding_is_read_from_the_head(stated: str | None, coding: str | None) -> None:
    assert coding_of({} if stated is None else {"content-encoding": stated}) == coding
