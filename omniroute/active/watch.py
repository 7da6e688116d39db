"""Where configuration text comes from: files on disk, and how one notices that they changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Final

from watchfiles._rust_notify import RustNotify  # documented as "Rust backend direct usage"

POLL_S: Final = 2.0
"""How often the files' stamps are compared as well: network mounts and swapped folder links send
no events."""
_FALLBACK_MS: Final = 300
"""How often folders are listed where the system has no more watches to give."""

Stamp = tuple[tuple[str, int, int, int], ...]


def stamp_of(paths: Sequence[str]) -> Stamp:
    """What `stat` says of each file, links followed: equal stamps mean nothing to do."""
    rows: list[tuple[str, int, int, int]] = []
    for path in paths:
        try:
            stat = Path(path).stat()
        except OSError:
            rows.append((path, 0, 0, 0))
        else:
            rows.append((path, stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(rows)


def _folders(paths: Sequence[str]) -> list[Path]:
    """The folders to watch: each file's own, and where a link really leads to."""
    found: set[Path] = set()
    for path in paths:
        for folder in (Path(path).parent, Path(path).resolve().parent):
            if folder.is_dir():
                found.add(folder)
    return sorted(found)


async def changes(
    paths: Sequence[str], *, debounce_s: float, stop: asyncio.Event
) -> AsyncGenerator[None, None]:
    """Yields after anything beside one of `paths` may have changed, until `stop` is set.

    The first time as soon as they are watched: they may have changed since they were read.
    `watchfiles.awatch` does not tell when it has begun, and what comes before is lost to it.
    Folders are watched instead of files, as editors, git and ConfigMaps replace files by renaming.
    The caller compares contents; a yield that turns out to change nothing is harmless.
    """
    folders = _folders(paths)
    if not folders:
        yield
        while not stop.is_set():
            try:
                async with asyncio.timeout(POLL_S):
                    await stop.wait()
            except TimeoutError:
                yield
        return
    rounds = max(200, int(debounce_s * 4000)), max(20, int(debounce_s * 1000)), int(POLL_S * 1000)
    names = [str(folder) for folder in folders]
    with RustNotify(names, False, False, _FALLBACK_MS, False, False) as watcher:
        yield
        try:
            while await asyncio.to_thread(watcher.watch, *rounds, stop) != "stop":
                yield
        except asyncio.CancelledError:
            stop.set()  # the thread goes on until it is told
            raise
