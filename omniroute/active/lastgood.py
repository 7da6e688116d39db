"""The last good configuration, kept in the data folder: what is served while the files are broken.

It is the text of every file that took part: a secret is in it only where one stood in the files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from omniroute.active.disk import Disk, write_atomic
from omniroute.active.inspect import Inspected
from omniroute.active.tables import user_folder
from omniroute.config.loader import TextReader

FILE: Final = "last-good.json"


class Bundle(Struct, frozen=True, kw_only=True):
    """A configuration that was served; paths are absolute."""

    files: tuple[str, ...]
    """As `-c` named them, in order."""
    sources: Mapping[str, str]
    tables: Mapping[str, str]
    """The owner's own, by the name that `read_tables` gives."""


class BundleReader(Disk):
    """The Reader of a bundle; the disk is only asked whether other files are there."""

    def __init__(self, bundle: Bundle) -> None:
        self._texts = TextReader({path: text.encode() for path, text in bundle.sources.items()})

    def read(self, path: str) -> bytes:
        return self._texts.read(self.absolute(path))

    def glob(self, pattern: str) -> Sequence[str]:
        found = self._texts.glob(self.absolute(pattern))
        return found if os.path.isabs(pattern) else [os.path.relpath(path) for path in found]  # noqa: PTH117 - as it was written

    def real(self, path: str) -> str:
        return self.absolute(path)  # links may lead elsewhere by now; they were judged when kept


def bundle_of(files: Sequence[str], inspected: Inspected) -> Bundle:
    """What was inspected, as it is kept."""
    disk = Disk()
    own = user_folder(files)
    return Bundle(
        files=tuple(disk.absolute(file) for file in files),
        sources={disk.absolute(path): text for path, text in inspected.checked.sources.items()},
        tables={name: text for name, text in inspected.tables.items() if Path(name).parent == own},
    )


def keep_good(data_dir: Path, bundle: Bundle) -> None:
    """Remember what is being served, for its owner's eyes alone. Raises OSError. Blocks."""
    path = data_dir / FILE
    data = msgspec.json.encode(bundle)
    if not path.exists() or path.read_bytes() != data:
        write_atomic(str(path), data, mode=0o600)


def find_good(data_dir: Path, files: Sequence[str]) -> Bundle | None:
    """What was kept for these files, None when nothing was, or it cannot be read. Blocks."""
    disk = Disk()
    try:
        bundle = msgspec.json.decode((data_dir / FILE).read_bytes(), type=Bundle)
    except (OSError, msgspec.MsgspecError):
        return None
    return bundle if bundle.files == tuple(disk.absolute(file) for file in files) else None
