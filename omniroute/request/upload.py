"""A client's file on disk: written once as it arrives, read as often as it is sent to a provider.

It has no name in any folder, so that nothing is left of it however the process ends. Disk is waited
for beside the loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from omniroute.errors import RequestError

T = TypeVar("T")
PIECE_BYTES: Final = 256 << 10
"""What is held of a file at once, on its way in and on its way out."""


class Upload:
    """Owned by one request. What writes or reads is waited for before anything else is asked."""

    def __init__(self, folder: Path, *, room_bytes: int) -> None:
        """`room_bytes` is what is held for it, of what all files may have together.

        Raises RequestError (503) where nothing can be written.
        """
        self.room_bytes = room_bytes
        try:
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - see close
        except OSError as error:
            raise _no_disk(error) from error
        self._digest = hashlib.sha256()
        self._busy: asyncio.Future[Any] | None = None
        self._pieces: list[bytes] = []
        self._held = 0
        self.size_bytes = 0
        self.head = b""
        """How it begins: its first piece."""

    async def write(self, piece: bytes) -> None:
        """Take more of it. Raises RequestError (503) where the disk takes no more."""
        self.size_bytes += len(piece)
        self._pieces.append(piece)
        self._held += len(piece)
        if self._held >= PIECE_BYTES:
            await self._flush()

    async def end(self) -> str:
        """It is whole: its SHA-256, in hexadecimal."""
        await self._flush()
        return self._digest.hexdigest()

    async def read(self, offset: int) -> bytes:
        """The next piece from there; empty behind the end."""
        return await self._beside(partial(self._read, offset))

    def close(self) -> None:
        """Let go of it, as soon as nobody is at work on it any more."""
        if self._busy is None or self._busy.done():
            self._file.close()
        else:
            self._busy.add_done_callback(lambda _: self._file.close())

    async def _flush(self) -> None:
        data, self._pieces, self._held = b"".join(self._pieces), [], 0
        if not self.head:
            self.head = data[:PIECE_BYTES]
        if data:
            try:
                await self._beside(partial(self._write, data))
            except OSError as error:
                raise _no_disk(error) from error

    def _write(self, data: bytes) -> None:
        self._digest.update(data)
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]

    def _read(self, offset: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(PIECE_BYTES)

    async def _beside(self, work: Callable[[], T]) -> T:
        future = asyncio.get_running_loop().run_in_executor(None, work)
        self._busy = future
        return await asyncio.shield(future)  # a thread cannot be called back: see close


def _no_disk(error: OSError) -> RequestError:
    message = f"the file cannot be kept while it is sent on: {error.strerror or error}"
    return RequestError("unavailable", message, code="no_disk", retry_after_s=5.0)
