"""DuckDB's engine for writing, kept between two pieces of work: only the file is opened and closed.

Making an engine takes some 20 ms of processor, attaching a file to one that is there takes one.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

_SETTINGS: Final[Mapping[str, str | int]] = {
    "threads": 1,  # the machine belongs to the requests
    "memory_limit": "256MB",
    "storage_compatibility_version": "v1.2.0",  # other tools come with older DuckDBs
}

_idle: Final[list[duckdb.DuckDBPyConnection]] = []
"""Engines that nobody uses: one, but for threads that write several files at a time."""


@contextmanager
def writing(path: Path) -> Generator[duckdb.DuckDBPyConnection]:
    """A connection to the file, which is made where there is none. Raises duckdb.Error.

    What was committed is in the file when the block has ended, and the file is closed. No other
    engine of this process may have it open meanwhile, nor try to: the system lets go of a process's
    locks on a file when the process closes it anywhere.
    """
    engine = _take()
    name = str(path).replace("'", "''")
    try:
        engine.execute(f"ATTACH '{name}' AS usage")
    except duckdb.IOException:  # open elsewhere, or no database: the engine is as before
        _idle.append(engine)
        raise
    try:
        with engine.cursor() as connection:
            connection.execute("USE usage")
            yield connection
        engine.execute("DETACH usage")
    except BaseException:
        engine.close()  # some errors are the end of an engine, and all leave the file open in it
        raise
    _idle.append(engine)


def _take() -> duckdb.DuckDBPyConnection:
    try:
        return _idle.pop()
    except IndexError:
        return duckdb.connect(":memory:", config=dict(_SETTINGS))
