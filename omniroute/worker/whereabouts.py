"""Where the running server of a configuration keeps its data, for commands beside it.

The configuration alone cannot tell: `--data-dir` wins over it, and an edit of `server.data_dir`
waits for a restart. So `serve` leaves a note in its user's state folder, named for the files that
it serves. A note counts for as long as that server holds its folder, however it ends.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from omniroute.active.disk import Disk, write_atomic
from omniroute.worker.folder import is_held

_HOME: Final = "XDG_STATE_HOME"
_log = logging.getLogger("omniroute.data")


def leave_note(files: Sequence[str], data_dir: Path) -> None:
    """Say where the data of these files' server is. Without a place to write, commands go by the
    configuration. Blocks."""
    try:
        path = _note(files)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(str(path), os.fsencode(data_dir.absolute()), mode=0o600)
    except (OSError, RuntimeError) as error:  # RuntimeError: a user without a home
        _log.debug("no note of the data folder: %s", error)


def find_running(files: Sequence[str]) -> Path | None:
    """The data folder of the server that serves these files now, if one is known. Blocks."""
    try:
        folder = Path(os.fsdecode(_note(files).read_bytes()))
    except (OSError, RuntimeError):
        return None
    return folder if is_held(folder) else None


def _note(files: Sequence[str]) -> Path:
    """By the paths as they are written, made absolute: links in them may lead elsewhere later."""
    names = "\0".join(map(Disk().absolute, files))
    digest = hashlib.sha256(os.fsencode(names)).hexdigest()
    state = os.environ.get(_HOME)
    home = Path(state) if state else Path.home() / ".local" / "state"
    return home / "omniroute" / "servers" / digest[:32]
