"""Every way to cut a stream that tests need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hypothesis import strategies as st

from omniroute.wire.event import Decoder, Event


def read_all(decoder: Decoder, chunks: Iterable[bytes]) -> list[Event]:
    events: list[Event] = []
    for chunk in chunks:
        events += decoder.feed(chunk)
    return events + decoder.finish()


def in_two(stream: bytes) -> Iterator[list[bytes]]:
    for at in range(len(stream) + 1):
        yield [stream[:at], stream[at:]]


def byte_by_byte(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


@st.composite
def split(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    """Chunks that join to `stream`; some may be empty."""
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
