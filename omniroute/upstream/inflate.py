"""Content codings of answers: unasked-for gzip and deflate, undone in bounded steps."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Final, Protocol

from omniroute.errors import UpstreamCutError

STEP_BYTES: Final = 256 << 10  # what a bomb may put into memory at once; the reader sets the pace


class ByteSource(Protocol):
    async def __call__(self) -> bytes: ...


def undone_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The head as it fits the decoded body: without the coding, and without its length."""
    return {k: v for k, v in headers.items() if k not in ("content-encoding", "content-length")}


class Inflate:
    """Decodes one body; `read` takes encoded bytes from `source` only when it needs them."""

    def __init__(self, coding: str, source: ByteSource) -> None:
        """Raises UpstreamCutError for a coding that was not asked for and cannot be undone."""
        if coding not in ("gzip", "x-gzip", "deflate"):
            raise UpstreamCutError(f"the provider's answer is encoded as {coding[:40]!r}, unasked")
        self._gzip = coding != "deflate"
        self._source = source
        self._zlib = zlib.decompressobj(wbits=31 if self._gzip else 15)
        self._held = b""
        self._fresh = True

    async def read(self) -> bytes:
        """Up to `STEP_BYTES` of decoded body, `b""` at its end."""
        if self._fresh and not self._gzip:
            await self._choose_deflate()
        while True:
            if not self._held:
                self._held = await self._source()
                if not self._held:
                    if not self._zlib.eof and not self._fresh:
                        raise UpstreamCutError("the provider's compressed answer ends too early")
                    return b""
            data = self._step()
            if data:
                return data

    async def _choose_deflate(self) -> None:
        """Some servers mean raw deflate when they say deflate (RFC 9110, 8.4.1.2, notes it)."""
        while len(self._held) < 2 and (more := await self._source()):
            self._held += more
        header = int.from_bytes(self._held[:2], "big")
        if header % 31 or header >> 8 & 0x0F != zlib.DEFLATED:  # RFC 1950, 2.2
            self._zlib = zlib.decompressobj(wbits=-15)

    def _step(self) -> bytes:
        self._fresh = False
        if self._zlib.eof:
            # gzip may consist of several members; what follows a deflate stream is padding.
            if not self._gzip:
                self._held = b""
                return b""
            self._zlib = zlib.decompressobj(wbits=31)
        try:
            data = self._zlib.decompress(self._held, STEP_BYTES)
        except zlib.error as error:
            raise UpstreamCutError("the provider's compressed answer is damaged") from error
        self._held = self._zlib.unused_data or self._zlib.unconsumed_tail
        return data


def coding_of(headers: Mapping[str, str]) -> str | None:
    """The body's coding, None when it is plain."""
    coding = headers.get("content-encoding", "").strip().lower()
    return None if coding in ("", "identity") else coding
