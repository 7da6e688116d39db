"""The git commit that a configuration's file was checked out from, read without git."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_MAX_REFERENCES: Final = 5  # of one to another; git itself follows as many


def commit_of(file: str) -> str | None:
    """The commit that is checked out where the file lies, in hex; None outside of a repository.

    A change that is not committed yet is under the commit before it. Links are followed, as tools
    that fetch repositories put one in front of each state. Blocks.
    """
    try:
        folder = Path(file).resolve().parent
        top = next((top for top in (folder, *folder.parents) if (top / ".git").exists()), None)
        return None if top is None else _head(_git_folder(top / ".git"))
    except (OSError, ValueError):  # somebody else's repository, or none after all
        return None


def _git_folder(entry: Path) -> Path:
    """A work tree beside the repository has a file that says where that is."""
    if entry.is_dir():
        return entry
    word, _, place = _text(entry).partition(":")
    return (entry.parent / place.strip()) if word == "gitdir" else entry


def _head(folder: Path) -> str | None:
    """References of a work tree lie in the repository that it belongs to."""
    shared = folder / "commondir"
    common = folder / _text(shared) if shared.exists() else folder
    said = _text(folder / "HEAD")
    for _ in range(_MAX_REFERENCES):
        if _COMMIT.fullmatch(said):
            return said
        word, _, name = said.partition(": ")
        if word != "ref":
            return None
        loose = common / name
        if not loose.exists():
            return _packed(common / "packed-refs", name)
        said = _text(loose)
    return None


def _packed(file: Path, name: str) -> str | None:
    lines = _text(file).splitlines() if file.exists() else []
    found = (line.partition(" ")[0] for line in lines if line.partition(" ")[2] == name)
    return next((commit for commit in found if _COMMIT.fullmatch(commit)), None)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8").strip()
