"""The data folder: made, its owner's alone, and served from by one server at a time."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from omniroute.errors import ConfigError

LOCK_FILE: Final = "server.lock"
ORPHANS_S: Final = 10.0
"""How long a start waits for the workers of a server that was killed: they end by themselves."""
_OTHERS: Final = 0o077
_FILES: Final = ("usage.duckdb*", "*.lock", "*.json", "*.hash", "spool/*", "state/*", "state/*/*")
"""What of the folder may be tightened: it might be somebody's home as well."""
_log = logging.getLogger("omniroute.data")


def hold_folder(folder: Path) -> int:
    """Make `folder` ready and take it; the descriptor that holds it.

    The lock belongs to the open file: processes that inherit the descriptor hold it too, and when
    the last of them is gone, killed or not, it is free. Raises ConfigError when the folder cannot
    be written, and when another server has it. Blocks.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _take(lock, folder)
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
    except OSError as error:
        raise ConfigError(
            f"cannot write to the data folder {folder}: {error.strerror or error}; give another "
            "`server.data_dir`, or --data-dir"
        ) from None
    _make_private(folder)
    return lock


def is_held(folder: Path) -> bool:
    """Whether a server has the folder now."""
    try:
        with (folder / LOCK_FILE).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _take(lock: int, folder: Path) -> None:
    """Raises ConfigError when another server keeps it."""
    give_up = time.monotonic() + ORPHANS_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
            if _alive(owner) or time.monotonic() > give_up:
                os.close(lock)
                raise ConfigError(
                    f"another server (process {owner or '?'}) uses the data folder {folder}; "
                    "stop it, or give this one a `server.data_dir` of its own"
                ) from None
            time.sleep(0.1)
        else:
            return


def _alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _make_private(folder: Path) -> None:
    """Take what others may do from the folder and from what is ours in it; warn where we cannot."""
    wide = [path for path in (folder, *_ours(folder)) if _mode(path) & _OTHERS]
    if not wide:
        return
    failed: list[Path] = []
    for path in wide:
        try:
            if path == folder and _mode(path) & stat.S_ISVTX:  # shared on purpose, as /tmp is
                failed.append(path)
            else:
                path.chmod(_mode(path) & ~_OTHERS)
        except OSError:
            failed.append(path)
    if failed:
        names = ", ".join(str(path) for path in failed[:3])
        _log.warning("other users of this machine may get at %s; it is not ours to change", names)
    if len(failed) < len(wide):
        _log.warning("other users could get at the data folder %s; now its owner alone can", folder)


def _ours(folder: Path) -> Iterator[Path]:
    for name in ("spool", "state"):
        if (folder / name).is_dir():
            yield folder / name
    for pattern in _FILES:
        yield from (path for path in folder.glob(pattern) if not path.is_symlink())


def _mode(path: Path) -> int:
    with contextlib.suppress(OSError):
        return stat.S_IMODE(path.stat().st_mode)
    return 0
