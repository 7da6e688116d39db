"""Other processes, for what only the death of a process or a second one can show."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_PATHS = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
_ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, _PATHS))}


def run_python(code: str, *args: object) -> str:
    """What the code prints; its failure fails the test with its words."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", code, *map(str, args)],
        capture_output=True,
        text=True,
        env=_ENVIRONMENT,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def running_python(code: str, *args: object) -> Generator[subprocess.Popen[str]]:
    """A process with pipes; killed at the end when it still runs."""
    with subprocess.Popen(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", code, *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=_ENVIRONMENT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


HOLD_DATABASE = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read")
print("open", flush=True)
sys.stdin.read()
"""


@contextmanager
def database_held(path: Path, *, how: str = "read") -> Generator[None]:
    """Another process has the file open, as a notebook would (`read`) or a writer (`write`)."""
    with running_python(HOLD_DATABASE, path, how) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield


def scribes(data_dir: Path) -> list[int]:
    """The processes that work on this folder's database for a server, as the kernel lists them."""
    words = f"omniroute.ledger.scribe\0{data_dir}\0".encode()
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if words in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:  # it has just ended
            continue
    return found
