"""Files of audio, known by how they begin and never by their names."""

from __future__ import annotations

import struct
from typing import Final

from msgspec import Struct

HEAD_BYTES: Final = 4096
"""Of a file, all that is looked at."""
_SPARSE: Final = 4000
"""Bytes a second of 32 kbit/s: speech is hardly ever kept in less."""


class Container(Struct, frozen=True, kw_only=True):
    """What a file is, under the ending and the media type that servers know."""

    name: str
    media_type: str


MP3: Final = Container(name="mp3", media_type="audio/mpeg")
WAV: Final = Container(name="wav", media_type="audio/wav")
M4A: Final = Container(name="m4a", media_type="audio/mp4")
FLAC: Final = Container(name="flac", media_type="audio/flac")
OGG: Final = Container(name="ogg", media_type="audio/ogg")
WEBM: Final = Container(name="webm", media_type="audio/webm")
CONTAINERS: Final = (MP3, WAV, M4A, FLAC, OGG, WEBM)


def container_of(head: bytes) -> Container | None:
    """What begins like this; None for what is none of `CONTAINERS`."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return WAV
    if head[4:8] == b"ftyp":
        return M4A
    for mark, container in ((b"fLaC", FLAC), (b"OggS", OGG), (b"\x1a\x45\xdf\xa3", WEBM)):
        if head.startswith(mark):
            return container
    return MP3 if head.startswith(b"ID3") or _is_frame(head) else None


def _is_frame(head: bytes) -> bool:
    """Whether MPEG audio begins: a sync word, a known version and layer, and a bitrate."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer, bitrate, rate = (
        head[1] >> 3 & 3,
        head[1] >> 1 & 3,
        head[2] >> 4,
        head[2] >> 2 & 3,
    )
    return version != 1 and layer != 0 and bitrate not in (0, 15) and rate != 3


def seconds_of(head: bytes, size_bytes: int) -> float | None:
    """How long a file lasts, where its first bytes tell (WAV, FLAC)."""
    container = container_of(head)
    if container is WAV:
        at = head.find(b"fmt ", 12)
        if at < 0 or len(head) < at + 20:
            return None
        per_second: int = struct.unpack_from("<I", head, at + 16)[0]
        return max(0, size_bytes - at) / per_second if per_second else None
    if container is FLAC and len(head) >= 26:
        packed = int.from_bytes(head[18:26])
        rate, samples = packed >> 44, packed & (1 << 36) - 1
        return samples / rate if rate and samples else None
    return None


def most_seconds(size_bytes: int) -> float:
    """How long a file of any other kind lasts at the most, as far as can be told by its size."""
    return size_bytes / _SPARSE
