"""Content codings (RFC 9110, 8.4.1): gzip, deflate and zstd, undone in bounded steps."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Mapping
from typing import Final, Protocol

if sys.version_info >= (3, 14):
    from compression.zstd import DecompressionParameter, ZstdDecompressor, ZstdError
else:
    from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

from omniroute.errors import CodingError

CODINGS: Final = ("gzip", "deflate", "zstd")
"""By the names that a head gives them; `x-gzip` is an old one of gzip's."""
STEP_BYTES: Final = 256 << 10
"""What a bomb may put into memory at once; who reads sets the pace."""
WINDOW_LOG: Final = 23
"""Of a zstd frame: nobody has to remember more than 8 MiB of it (RFC 9659)."""


class Member(Protocol):
    """A body may consist of several, one behind the other."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def coding_of(headers: Mapping[str, str]) -> str | None:
    """The coding that a head states, None for a body as it is."""
    stated = headers.get("content-encoding")
    if stated is None:
        return None
    coding = stated.strip().lower()
    if coding in ("", "identity"):
        return None
    return "gzip" if coding == "x-gzip" else coding


class Inflater:
    """Decodes one body: `feed` what has come, then `step` until there is nothing more.

    `members` counts what the body consists of so far.
    """

    def __init__(self, coding: str) -> None:
        """`coding` is one of CODINGS; raises CodingError for any other."""
        if coding not in CODINGS:
            raise CodingError(f"the coding {coding[:40]!r} cannot be undone")
        self._coding = coding
        self._member: Member | None = None
        self._held = b""
        self._is_full = False
        self.members = 0

    @property
    def is_whole(self) -> bool:
        """Whether the body may end here."""
        return not self._held and (self._member is None or self._member.eof)

    def feed(self, data: bytes) -> None:
        self._held += data

    def step(self) -> bytes:
        """Up to `STEP_BYTES`, empty when it takes more to go on. Raises CodingError (damaged)."""
        while self._held or self._is_full:
            member = self._member
            if member is None or member.eof:
                member = self._next()
                if member is None:
                    return b""
            try:
                data = member.decompress(self._held, STEP_BYTES)
            except (zlib.error, ZstdError) as error:
                raise CodingError(f"this is no {self._coding}, or it is damaged") from error
            # What a full step did not take is held by zstd itself, and given back by zlib.
            self._is_full = len(data) == STEP_BYTES and not member.eof
            self._held = member.unused_data or getattr(member, "unconsumed_tail", b"")
            if data:
                return data
        return b""

    def _next(self) -> Member | None:
        """None where there is none, or too little to know its kind."""
        if self._coding == "deflate":
            if self.members:
                self._held = b""  # deflate has one; what follows is padding
                return None
            if len(self._held) < 2:
                return None
        self.members += 1
        self._member = _member(self._coding, self._held)
        return self._member


def _member(coding: str, begin: bytes) -> Member:
    match coding:
        case "gzip":
            return zlib.decompressobj(wbits=31)
        case "deflate":
            # Some mean raw deflate when they say deflate (RFC 9110, 8.4.1.2, notes it).
            header = int.from_bytes(begin[:2], "big")
            is_raw = header % 31 or header >> 8 & 0x0F != zlib.DEFLATED  # RFC 1950, 2.2
            return zlib.decompressobj(wbits=-15 if is_raw else 15)
        case _:
            bounds: dict[int, int] = {DecompressionParameter.window_log_max: WINDOW_LOG}
            return ZstdDecompressor(options=bounds)
