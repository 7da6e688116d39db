"""Configuration files on this machine's disk."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from omniroute.config.yamltree import MAX_BYTES


class Disk:
    """The Reader of `omniroute.config.loader` for real files; relative to the working directory."""

    def read(self, path: str) -> bytes:
        with Path(path).open("rb") as file:  # a device or a pipe may never end
            return file.read(MAX_BYTES + 1)

    def glob(self, pattern: str) -> Sequence[str]:
        found = glob.glob(pattern, recursive=True)  # noqa: PTH207 - patterns may be absolute
        return sorted(path for path in found if Path(path).is_file())

    def real(self, path: str) -> str:
        return os.path.realpath(path)

    def absolute(self, path: str) -> str:
        return os.path.abspath(path)  # noqa: PTH100 - links must stay as they are

    def exists(self, path: str) -> bool:
        return Path(path).exists()


def write_atomic(path: str, data: bytes, *, mode: int = 0o644) -> None:
    """Replace a file so that a reader sees the old or the new content, and a crash loses neither.

    The mode is kept, `mode` is a new file's; a symbolic link stays one, and the file behind it is
    replaced.
    """
    target = Path(path).resolve()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o7777)
        else:
            temporary.chmod(mode)
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
