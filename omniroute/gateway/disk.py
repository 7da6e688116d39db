"""Configuration files on this machine's disk."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path


class Disk:
    """The Reader of `omniroute.config.loader` for real files; relative to the working directory."""

    def read(self, path: str) -> bytes:
        return Path(path).read_bytes()

    def glob(self, pattern: str) -> Sequence[str]:
        found = glob.glob(pattern, recursive=True)  # noqa: PTH207 - patterns may be absolute
        return sorted(path for path in found if Path(path).is_file())

    def real(self, path: str) -> str:
        return os.path.realpath(path)

    def absolute(self, path: str) -> str:
        return os.path.abspath(path)  # noqa: PTH100 - links must stay as they are

    def exists(self, path: str) -> bool:
        return Path(path).exists()
