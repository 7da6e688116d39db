"""Table files on disk, for `load_formats`: the shipped ones, then a user's own."""

from __future__ import annotations

from pathlib import Path

from omniroute.base.data import data_dir


def read_tables(*folders: Path) -> dict[str, str]:
    """Name to text, sorted within each folder; a later table of the same format overrides.

    Shipped tables go by their bare name, so that messages do not show where we are installed. A
    folder that does not exist holds nothing.
    """
    shipped = data_dir("translators")
    texts: dict[str, str] = {}
    for folder in (shipped, *folders):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.suffix in (".yaml", ".yml"):
                name = path.name if folder == shipped else str(path)
                texts[name] = path.read_text(encoding="utf-8")
    return texts
