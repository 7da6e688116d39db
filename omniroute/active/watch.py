"""Where configuration text comes from: files on disk, and how one notices that they changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, Final, cast

import watchfiles

POLL_S: Final = 2.0
"""How often the files' stamps are compared as well: network mounts and swapped folder links send
no events."""

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

    Folders are watched instead of files, as editors, git and ConfigMaps replace files by renaming.
    The caller compares contents; a yield that turns out to change nothing is harmless.
    """
    folders = _folders(paths)
    if not folders:
        while not stop.is_set():
            try:
                async with asyncio.timeout(POLL_S):
                    await stop.wait()
            except TimeoutError:
                yield
        return
    watching = cast("Any", watchfiles)  # its types name a library that is not installed
    async for _ in watching.awatch(
        *folders,
        debounce=max(200, int(debounce_s * 4000)),
        step=max(20, int(debounce_s * 1000)),
        stop_event=stop,
        recursive=False,
        rust_timeout=int(POLL_S * 1000),
        yield_on_timeout=True,
        watch_filter=None,
    ):
        yield
