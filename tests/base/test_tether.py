"""Programs that end with whoever started them."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from tests.running import DEADLINE_S

SLEEPER = [sys.executable, "-c", "print('up', flush=True); import time; time.sleep(600)"]
GUARD = f"from omniroute.base.tether import guard; import sys; sys.exit(guard({SLEEPER!r}))"
GUARDED = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-c", {GUARD!r}], stdin=subprocess.PIPE).wait()
"""
TETHERED = f"""
import subprocess
from omniroute.base.tether import tethered
subprocess.Popen(tethered({SLEEPER!r}), stdin=subprocess.PIPE).wait()
"""


@pytest.mark.parametrize("code", [GUARDED, TETHERED], ids=["by a pipe", "as this system does"])
def test_it_ends_when_its_parent_is_killed(code: str) -> None:
    parent = subprocess.Popen(  # noqa: S603 - fixed text
        [sys.executable, "-c", code], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    left = psutil.Process(parent.pid).children(recursive=True)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert left
    assert psutil.wait_procs(left, timeout=DEADLINE_S)[1] == []


def test_term_to_the_guard_ends_what_it_guards() -> None:
    guard = subprocess.Popen(  # noqa: S603 - fixed text
        [sys.executable, "-c", GUARD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert guard.stdout is not None
    assert guard.stdout.readline() == b"up\n"
    children = psutil.Process(guard.pid).children()
    guard.terminate()
    assert guard.wait(DEADLINE_S) != 0
    assert psutil.wait_procs(children, timeout=DEADLINE_S)[1] == []
    guard.stdout.close()
    assert guard.stdin is not None
    guard.stdin.close()
