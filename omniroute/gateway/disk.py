"""Configuration files and translation tables on this machine's disk."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from omniroute.base.data import data_dir
from omniroute.errors import ConfigError

TABLE_SUFFIX: Final = ".yaml"
USER_TABLES: Final = "translators"
"""A folder of this name beside the first configuration file adds or overrides tables."""


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


def read_tables(files: tuple[str, ...]) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Shipped tables, then those beside the first file, by name; and the files they come from.

    Raises ConfigError when a table cannot be read.
    """
    folders = [data_dir("translators")]
    if files:
        folders.append(Path(files[0]).parent / USER_TABLES)
    tables: dict[str, str] = {}
    seen: list[str] = []
    for folder in folders:
        if not folder.is_dir():
            continue
        for path in sorted(folder.glob(f"*{TABLE_SUFFIX}")):
            try:
                tables[path.stem] = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"cannot read the translation table {path}: {error}") from error
            seen.append(str(path))
    return tables, tuple(seen)


def write_atomic(path: str, data: bytes) -> None:
    """Replace a file so that a reader sees the old or the new content, and a crash loses neither.

    The mode is kept; a symbolic link stays one, and the file behind it is replaced.
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
            temporary.chmod(0o644)
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
