"""Table files on disk, for `load_formats`: the shipped ones, then a user's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from omniroute.base.data import data_dir
from omniroute.errors import ConfigError

SUFFIXES: Final = (".yaml", ".yml")
USER_FOLDER: Final = "translators"
"""A folder of this name beside the first configuration file adds or overrides tables."""


def user_folder(files: Sequence[str]) -> Path:
    """Where the tables of a configuration's owner are, whether the folder is there or not."""
    return Path(files[0]).parent / USER_FOLDER


def read_tables(*folders: Path) -> dict[str, str]:
    """Name to text, sorted within each folder; a later table of the same format overrides.

    Shipped tables go by their bare name, so that messages do not show where we are installed. A
    folder that does not exist holds nothing. Raises ConfigError when a file cannot be read.
    """
    shipped = data_dir("translators")
    users = [folder for folder in folders if folder.resolve() != shipped]
    texts: dict[str, str] = {}
    for folder in dict.fromkeys((shipped, *users)):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.suffix in SUFFIXES:
                name = path.name if folder == shipped else str(path)
                texts[name] = _read(path)
    return texts


def shipped_formats() -> tuple[str, ...]:
    """The formats of the shipped tables, each of which has its file's name."""
    return tuple(sorted(path.stem for path in data_dir("translators").glob("*.yaml")))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the table {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the table {path} is not UTF-8 text") from error
