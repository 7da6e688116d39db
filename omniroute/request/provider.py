"""Asking a provider: the one way to read what it answers."""

from __future__ import annotations

from typing import Final

from omniroute.errors import UpstreamCutError, UpstreamError
from omniroute.upstream.client import Exchange

MAX_REPLY_BYTES: Final = 64 << 20
"""A whole answer is held in memory once; beyond this the upstream is not answering a chat."""
MAX_ERROR_BYTES: Final = 256 << 10
"""Of an error answer only the beginning is worth reading."""


async def read_whole(exchange: Exchange, *, limit_bytes: int = MAX_REPLY_BYTES) -> bytes:
    """The whole body. Raises UpstreamCutError when it is larger than `limit_bytes`."""
    first = await exchange.read()
    if not first:
        return b""
    chunks = [first]
    size = len(first)
    while chunk := await exchange.read():
        size += len(chunk)
        if size > limit_bytes:
            raise UpstreamCutError(f"the upstream's answer is larger than {limit_bytes} bytes")
        chunks.append(chunk)
    return first if len(chunks) == 1 else b"".join(chunks)


async def read_error(exchange: Exchange) -> bytes:
    """The beginning of an error answer; what cannot be read is left out."""
    chunks: list[bytes] = []
    size = 0
    try:
        while size < MAX_ERROR_BYTES and (chunk := await exchange.read()):
            chunks.append(chunk)
            size += len(chunk)
    except UpstreamError:
        pass  # the status alone tells enough
    return b"".join(chunks)[:MAX_ERROR_BYTES]
