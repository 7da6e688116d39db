"""Processes that end when the one that started them does, however that ends.

A child of ours calls `end_with_parent`. A foreign program is started through this file:
`python -I -S tether.py PARENT_PID PROGRAM ARGUMENT…`. On Linux the kernel keeps the promise and the
program takes this process's place; elsewhere this process stays, watches and passes TERM on.

Either way the parent gives the child a pipe as standard input, and never writes to it: it closes
with the parent.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Final

LOOK_S: Final = 0.2
"""How late the end of a watched program is noticed, where the kernel does not help."""
_PR_SET_PDEATHSIG: Final = 1  # prctl(2)


def end_with_parent() -> None:
    """TERM to this process once its standard input closes; returns at once."""

    def watch() -> None:
        while os.read(sys.__stdin__.fileno() if sys.__stdin__ else 0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def tethered(program: Sequence[str]) -> list[str]:
    """The command that runs `program` for no longer than this process; give it a pipe as input."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *program]


def guard(program: Sequence[str]) -> int:
    """Run `program` until it ends or standard input closes; its exit code."""
    child = subprocess.Popen(program, stdin=subprocess.DEVNULL)  # noqa: S603 - given by our parent
    signal.signal(signal.SIGTERM, lambda _number, _frame: child.terminate())
    while child.poll() is None:
        readable, _, _ = select.select([0], [], [], LOOK_S)
        if readable and not os.read(0, 4096):
            child.terminate()
            break
    return child.wait()


def _held_by_kernel() -> bool:
    """Whether the kernel sends this process TERM when its parent dies, also after exec."""
    if sys.platform != "linux":
        return False
    return ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) == 0


def main(arguments: Sequence[str]) -> int:
    parent, *program = arguments
    if not _held_by_kernel():
        return guard(program)
    if os.getppid() != int(parent):  # it died before the kernel was asked
        return 1
    return os.execv(program[0], program)  # noqa: S606 - given by our parent


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
