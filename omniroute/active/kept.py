"""Configurations that were served, kept in the data folder by their digests: what a change can be
compared with, and taken back to.

Each is the text of every file that took part, for its owner's eyes alone; a secret is in it only
where one stood in the files.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

import msgspec

from omniroute.active.disk import write_atomic
from omniroute.active.lastgood import Bundle

FOLDER: Final = "history"
MOST: Final = 100
"""Of them are kept, those that were served last."""
_DIGEST: Final = re.compile(r"[0-9a-f]{12}")


def keep_state(data_dir: Path, digest: str, bundle: Bundle) -> None:
    """Remember what is served under `digest`. Raises OSError. Blocks."""
    folder = data_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomic(os.fspath(folder / f"{digest}.json"), msgspec.json.encode(bundle), mode=0o600)
    kept = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    for path in kept[:-MOST]:
        path.unlink(missing_ok=True)


def find_state(data_dir: Path, digest: str) -> Bundle | None:
    """What was served under a digest, None where it is not kept. Blocks."""
    if _DIGEST.fullmatch(digest) is None:
        return None
    try:
        return msgspec.json.decode((data_dir / FOLDER / f"{digest}.json").read_bytes(), type=Bundle)
    except (OSError, msgspec.MsgspecError):
        return None


def kept_digests(data_dir: Path) -> frozenset[str]:
    """Blocks."""
    return frozenset(path.stem for path in (data_dir / FOLDER).glob("*.json"))
