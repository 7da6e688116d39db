"""Several worker processes on one port: start them, replace one that dies, pass signals on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from omniroute.active.load import InForce
from omniroute.worker.runtime import RESTART

_log = logging.getLogger("omniroute.workers")

SEAT_ENV: Final = "OMNIROUTE_WORKER"
"""Set by the parent for each child: its Seat, as JSON."""
RESTART_GAP_S: Final = 1.0
"""A worker that dies at once must not turn into a loop that eats a core."""
KILL_AFTER_S: Final = 8.0
"""Beyond `server.shutdown_grace`, for what a worker still writes; then it is killed."""


class Seat(Struct, frozen=True, kw_only=True):
    """What a worker gets from its parent."""

    number: int
    port: int
    """The port that is bound, also where 0 was asked for."""
    in_force: InForce


def read_seat() -> Seat | None:
    """This process's seat, None when it is nobody's worker."""
    text = os.environ.get(SEAT_ENV)
    return msgspec.json.decode(text, type=Seat) if text else None


def run_workers(
    count: int,
    listener: socket.socket,
    *,
    in_force: InForce,
    folder_lock: int,
    grace_s: float,
    latest_grace_s: Callable[[], float],
) -> int:
    """Run `count` copies of this command until TERM or INT, or until one of them ends with RESTART,
    and all with it; returns the exit code.

    The parent keeps the port bound without listening, so that it stays theirs (also for port 0),
    and each child binds it with SO_REUSEPORT: the kernel spreads connections over them. Children
    inherit `folder_lock`, and a pipe that tells them when the parent is gone. Who has not ended
    after `grace_s`, or what `latest_grace_s` says by then (it may block), is killed.
    """
    parent = _Parent(
        count,
        listener,
        in_force=in_force,
        folder_lock=folder_lock,
        grace_s=grace_s,
        latest_grace_s=latest_grace_s,
    )
    return asyncio.run(parent.run())


class _Parent:
    """Each worker has a keeper: it starts one, waits for its end, and starts another.

    Nothing is started once `_stopping` is set: a keeper looks after every wait, and a process whose
    start was under way gets its TERM as soon as it is known.
    """

    def __init__(
        self,
        count: int,
        listener: socket.socket,
        *,
        in_force: InForce,
        folder_lock: int,
        grace_s: float,
        latest_grace_s: Callable[[], float],
    ) -> None:
        self._count = count
        self._host, self._port = listener.getsockname()[:2]
        self._in_force = in_force
        self._folder_lock = folder_lock
        self._grace_s = grace_s
        self._latest_grace_s = latest_grace_s
        self._stopping = asyncio.Event()
        self._restarting = False
        self._running: dict[int, Process] = {}

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._send, signal.SIGHUP)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        _log.info("starting %s workers on port %s of %s", self._count, self._port, self._host)
        async with asyncio.TaskGroup() as group:
            ending = group.create_task(self._end())
            keepers = [group.create_task(self._keep(number)) for number in range(self._count)]
            codes = [await keeper for keeper in keepers]
            ending.cancel()
        return RESTART if self._restarting else max(codes)

    async def _keep(self, number: int) -> int:
        while True:
            process = await self._start(number)
            self._running[number] = process
            if self._stopping.is_set():
                self._send(signal.SIGTERM)
            code = await process.wait()
            del self._running[number]
            if code == RESTART:
                self._restarting = True
                self._stopping.set()
                return 0
            if self._stopping.is_set():
                # A worker that TERM meets while it starts has no handler yet, and nothing to end.
                return 0 if code in (0, -signal.SIGTERM) else 1
            _log.error("worker %s ended with %s; starting another", number, code)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RESTART_GAP_S):
                    await self._stopping.wait()
                    return 0

    async def _start(self, number: int) -> Process:
        seat = Seat(number=number, port=self._port, in_force=self._in_force)
        # A worker inherits what is blocked: a HUP waits until it has a handler, and reloads then.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "omniroute",
                *sys.argv[1:],
                env={**os.environ, SEAT_ENV: msgspec.json.encode(seat).decode()},
                stdin=subprocess.PIPE,
                pass_fds=(self._folder_lock,),
            )
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})

    async def _end(self) -> None:
        """Ask all to end, and kill who has not by the grace; cancelled when nobody is left."""
        await self._stopping.wait()
        started = time.monotonic()
        _log.info("stopping %s workers", len(self._running))
        self._send(signal.SIGTERM)
        await asyncio.sleep(self._grace_s + KILL_AFTER_S)
        # A reload may have made it longer; reading the files takes too long to ask before.
        longer_s = await asyncio.to_thread(self._latest_grace_s) - self._grace_s
        await asyncio.sleep(max(0.0, longer_s))
        _log.error(
            "killing %s workers after %.1f s", len(self._running), time.monotonic() - started
        )
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
