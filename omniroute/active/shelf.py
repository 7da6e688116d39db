"""Compiled tables, kept on disk beside the shipped tables as Python keeps its compiled modules."""

from __future__ import annotations

import contextlib
import os
import sys
from functools import lru_cache
from hashlib import sha256
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from typing import Final

from msgspec import Struct

import omniroute
from omniroute.base.data import data_dir
from omniroute.base.version import __version__

_MAKERS: Final = ("translation/*.py", "expr/*.py", "config/yamltree.py")
"""Our own modules that what is kept depends on."""
_DIGEST: Final = sha256().digest_size


class DiskShelf(Struct, frozen=True):
    """A ProgramShelf for the tables that ship with the product.

    Each file begins with a digest of all that it depends on and of its content: what is stale, cut
    or changed is not read. Where Python may not write compiled modules, nothing is written either.
    """

    folder: Path

    def get(self, file: str, text: str) -> bytes | None:
        path = self._path(file)
        try:
            held = b"" if path is None else path.read_bytes()
        except OSError:
            return None
        data = held[_DIGEST:]
        return data if data and held[:_DIGEST] == _digest(text, data) else None

    def put(self, file: str, text: str, data: bytes) -> None:
        path = self._path(file)
        if path is None or sys.dont_write_bytecode:
            return
        temporary = path.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):  # a folder that is not ours to write
            path.parent.mkdir(exist_ok=True)
            temporary.write_bytes(_digest(text, data) + data)
            temporary.replace(path)

    def _path(self, file: str) -> Path | None:
        """None for a table of the user's own: nothing is left in folders that are not ours."""
        if Path(file).name != file:
            return None
        return Path(cache_from_source(str(self.folder / file), optimization="table"))


def shelf() -> DiskShelf:
    """Beside the shipped tables."""
    return DiskShelf(data_dir("translators"))


def _digest(text: str, data: bytes) -> bytes:
    return sha256(b"\0".join((_makers(), text.encode(), data))).digest()


@lru_cache(maxsize=1)
def _makers() -> bytes:
    """Of the code that makes programs, as it is installed here, and of the Python that runs it."""
    package = Path(omniroute.__file__).parent
    found = sha256(MAGIC_NUMBER + __version__.encode())
    for pattern in _MAKERS:
        for path in sorted(package.glob(pattern)):
            stat = path.stat()
            found.update(f"{path.name} {stat.st_mtime_ns} {stat.st_size}\n".encode())
    return found.digest()
