"""Several worker processes on one port: start them, replace one that dies, pass signals on."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from types import FrameType
from typing import Final

_log = logging.getLogger("omniroute.workers")

RESTART_GAP_S: Final = 1.0
"""A worker that dies at once must not turn into a loop that eats a core."""


def run_workers(count: int, listener: socket.socket, *, env: str) -> int:
    """Run `count` copies of this command until TERM or INT; returns the exit code.

    The parent keeps the port bound without listening, so that it stays theirs (also for port 0),
    and each child binds it with SO_REUSEPORT: the kernel spreads connections over them.
    """
    address, port = listener.getsockname()[:2]
    stopping = threading.Event()
    children: dict[int, subprocess.Popen[bytes]] = {}

    def forward(number: int, frame: FrameType | None) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            stopping.set()
        for child in children.values():
            child.send_signal(signal.SIGTERM if number == signal.SIGINT else number)

    def start(number: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "omniroute", *sys.argv[1:], "--port", str(port)]
        return subprocess.Popen(command, env={**os.environ, env: str(number)})  # noqa: S603 - ourselves

    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, forward)
    for number in range(count):
        children[number] = start(number)
    _log.info("starting %s workers on port %s of %s", count, port, address)
    while not stopping.is_set():
        for number, child in list(children.items()):
            code = child.poll()
            if code is not None and not stopping.is_set():
                _log.error("worker %s ended with %s; starting another", number, code)
                stopping.wait(RESTART_GAP_S)
                children[number] = start(number)
        stopping.wait(0.2)
    return _wait(children)


def _wait(children: dict[int, subprocess.Popen[bytes]]) -> int:
    """Children bound their own shutdown by `server.shutdown_grace`; this only collects them."""
    started = time.monotonic()
    code = 0
    for child in children.values():
        code = max(code, abs(child.wait()))
    _log.info("stopped in %.1f s", time.monotonic() - started)
    return code
