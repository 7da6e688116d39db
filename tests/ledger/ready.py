"""A usage database as it is before the first row: making one takes longer than most tests do."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from omniroute.ledger.database import create_database
from omniroute.ledger.paths import database_path


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = database_path(Path(folder))
        create_database(path)
        return path.read_bytes()


def put_database(data_dir: Path) -> Path:
    """The folder, made for its owner alone, with an empty database in it."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = database_path(data_dir)
    path.write_bytes(_empty())
    path.chmod(0o600)
    return data_dir
