"""A process of ours that answers questions, one after the other, over two pipes.

A line on its standard input is a question; a line on its standard output, the head, says how it
went, and as many bytes as that says follow.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, BinaryIO, Final, TypeVar

import msgspec
from msgspec import Struct

_ENDING_S: Final = 0.5
_MAX_HEAD_BYTES: Final = 256 << 10
_PASSED_ON: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
"""No secret of the server is among them."""
_ALLOCATOR: Final = {"MALLOC_ARENA_MAX": "1"}
"""Else glibc reserves addresses for each thread, which count against the limit unused."""


class ReplyHead(Struct, frozen=True, kw_only=True):
    """How it went, at the least."""

    size: int = 0
    """Of the bytes that follow."""


_H = TypeVar("_H", bound=ReplyHead)


class ProcessEndedError(Exception):
    """The process ended before it had answered, or was ended for taking too long."""

    def __init__(self, code: int | None, *, overdue: bool) -> None:
        super().__init__(f"ended with {code}")
        self.code = code
        self.overdue = overdue


class LedgerProcess:
    """The asking end. The process starts with the first question, and again with the next one after
    it has ended. One thread asks at a time; `kill` may be called by any."""

    def __init__(self, module: str, *arguments: str) -> None:
        """It will be `python -m module`, which is to call `next_question` and `answer`."""
        self._command = [sys.executable, "-P", "-m", module, *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def exchange(
        self, line: bytes, decode: Callable[[bytes], _H], *, within_s: float
    ) -> tuple[_H, bytes]:
        """A question, and its answer. Raises ProcessEndedError. Blocks."""
        if self._process is not None and self._process.poll() is not None:
            self.end()  # nobody had asked for long
        waiting = self._process is not None
        process = self._process = self._process or self._start()
        overdue = threading.Event()

        def give_up() -> None:
            overdue.set()
            process.kill()

        alarm = threading.Timer(within_s, give_up)
        alarm.daemon = True
        alarm.start()
        try:
            answered = _exchange(process, line, decode)
        finally:
            alarm.cancel()
        if answered is not None and not overdue.is_set():
            return answered
        code = self.end()
        if waiting and code == 0 and not overdue.is_set():  # it ended just as this was asked
            return self.exchange(line, decode, within_s=within_s)
        raise ProcessEndedError(code, overdue=overdue.is_set())

    def kill(self) -> None:
        """Whoever waits for an answer gets a ProcessEndedError."""
        process = self._process
        if process is not None:
            process.kill()

    def end(self) -> int | None:
        """Let it end, which it does when it has nothing to answer; its exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        _close(process.stdin)
        try:
            return process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
        finally:
            _close(process.stdout)

    def _start(self) -> subprocess.Popen[bytes]:
        package = str(Path(__file__).parents[2])
        given = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        paths = filter(None, (package, given.get("PYTHONPATH")))
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=given | _ALLOCATOR | {"PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,  # what a terminal sends is for the server
        )


def _exchange(
    process: subprocess.Popen[bytes], line: bytes, decode: Callable[[bytes], _H]
) -> tuple[_H, bytes] | None:
    """None when the process ends meanwhile."""
    source, sink = process.stdout, process.stdin
    assert source is not None  # noqa: S101 - it was started with pipes
    assert sink is not None  # noqa: S101
    try:
        sink.write(line)
        sink.flush()
        head = decode(source.readline(_MAX_HEAD_BYTES))
        body = source.read(head.size)
    except (OSError, msgspec.DecodeError):
        return None
    return (head, body) if len(body) == head.size else None


def _close(pipe: IO[bytes] | None) -> None:
    with suppress(OSError):  # what was not written has no reader
        if pipe is not None:
            pipe.close()


def next_question(source: BinaryIO, *, idle_s: float) -> bytes:
    """The process's end: a line, or nothing when there is none to come.

    Who asks waits for the answer, so no second one is in the buffer.
    """
    readable, _, _ = select.select([source], [], [], idle_s)
    return source.readline() if readable else b""


def answer(sink: BinaryIO, head: ReplyHead, body: bytes) -> None:
    """The process's end: what was asked for."""
    sink.write(msgspec.json.encode(head) + b"\n" + body)
    sink.flush()
