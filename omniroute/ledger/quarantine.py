"""What of the spool is no row: kept beside the database with its reason, for people to look at.

    <data_dir>/quarantine/<segment>-<offset>.jsonl

One file holds what one transaction of the drain stepped over, and is named by where in the spool
that transaction began. A drain that dies before its commit begins there again and writes the same
file again, so each line is there once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

MAX_TOTAL_BYTES: Final = 64 << 20
"""Of all files; beyond that the oldest go."""
MAX_LINE_BYTES: Final = 64 << 10
"""Of one line; the rest of a longer one is not kept."""


class Refused(Struct, frozen=True, kw_only=True):
    """A line that did not become a row."""

    offset: int
    """Where it begins in its segment, in bytes."""
    size: int
    """In bytes, without its newline."""
    reason: str
    line: str
    """Its text, at most MAX_LINE_BYTES of it; bytes that are no UTF-8 as \\xNN."""

    @classmethod
    def of(cls, line: bytes, *, offset: int, reason: str) -> Refused:
        text = line[:MAX_LINE_BYTES].decode("utf-8", "backslashreplace")
        return cls(offset=offset, size=len(line), reason=reason, line=text)


def quarantine_dir(data_dir: Path) -> Path:
    return data_dir / "quarantine"


def keep(data_dir: Path, segment: Path, start: int, refused: Sequence[Refused]) -> Path:
    """Write the lines to disk, durably; the file. Raises OSError."""
    folder = quarantine_dir(data_dir)
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{segment.stem}-{start:012d}.jsonl"
    draft = path.with_suffix(".draft")
    encode = msgspec.json.Encoder().encode
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with open(os.open(draft, flags, 0o600), "wb") as file:  # noqa: PTH123 - with a mode
        file.writelines(encode(line) + b"\n" for line in refused)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _forget_the_oldest(folder, spare=path)
    return path


def _forget_the_oldest(folder: Path, *, spare: Path) -> None:
    found = [(path.stat(), path) for path in folder.iterdir()]
    total = sum(stat.st_size for stat, _ in found)
    for stat, path in sorted(found, key=lambda item: item[0].st_mtime_ns):
        if total <= MAX_TOTAL_BYTES:
            break
        if path != spare:
            path.unlink(missing_ok=True)
            total -= stat.st_size
