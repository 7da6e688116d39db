"""Questions to the ledger from a server: answered in a process of their own, one at a time.

Nothing of it runs on the loop. The process starts with the first question, stays for the next ones
(starting takes a quarter of a second), ends when nobody asks, and is ended when an answer takes too
long or more memory than it may.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from omniroute.errors import LedgerError, RequestError
from omniroute.ledger.cell import CellHead, CellQuestion, Form
from omniroute.ledger.drain import Drainer
from omniroute.ledger.sandbox import TOO_MUCH_MEMORY, Limits, too_slow

WAIT_S: Final = 5.0
"""How long a question waits for those before it."""
BUSY_S: Final = 0.3
"""How long the newest rows are worth waiting for, where somebody else holds the database."""
_SLACK_S: Final = 3.0  # of starting, and of what DuckDB does before it looks at the clock
_ENDING_S: Final = 0.5
_MAX_HEAD_BYTES: Final = 64 << 10
_PASSED_ON: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
"""No secret of the server is among them."""
_ALLOCATOR: Final = {"MALLOC_ARENA_MAX": "1"}
"""Else glibc reserves addresses for each thread, which count against the limit unused."""
_decode = msgspec.json.Decoder(CellHead).decode
_log = logging.getLogger("omniroute.ledger")


class Told(Struct, frozen=True, kw_only=True):
    """An answer in the form that was asked for."""

    body: bytes
    rows: int
    truncated: bool


class _EndedError(Exception):
    """The process is gone."""


class LedgerReader:
    """One process's worth of questions. `ask` belongs to the event loop."""

    def __init__(self, data_dir: Path, drainer: Drainer) -> None:
        self._data_dir = data_dir
        self._drainer = drainer
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="usage")
        self._cell: _Cell | None = None

    async def ask(
        self,
        sql: str,
        *,
        form: Form = "json",
        limits: Limits,
    ) -> Told:
        """What was answered just now is in it. Raises RequestError as `open_answer` does, and
        `unavailable` while too many others ask."""
        question = CellQuestion(
            data_dir=str(self._data_dir),
            sql=sql,
            form=form,
            limits=limits,
        )
        try:
            async with asyncio.timeout(WAIT_S):
                await self._turn.acquire()
        except TimeoutError:
            message = "other questions to the usage data are being answered; try again"
            raise RequestError("unavailable", message, retry_after_s=WAIT_S) from None
        try:
            return await self._in_thread(question)
        finally:
            self._turn.release()

    async def close(self) -> None:
        """End the process; who waits for an answer gets an error."""
        if self._cell is not None:
            self._cell.kill()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._drop)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, question: CellQuestion) -> Told:
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._thread, self._answer, question)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:  # the client has left, and nobody needs the answer
            if self._cell is not None:
                self._cell.kill()
            await asyncio.wait([work])
            work.exception()
            raise

    def _answer(self, question: CellQuestion) -> Told:
        """Blocks, within the question's limits."""
        with suppress(LedgerError):  # what is there already can be read all the same
            self._drainer.drain_all(patience_s=BUSY_S)
            self._drainer.create()
        try:
            line = msgspec.json.encode(question) + b"\n"
        except UnicodeEncodeError:  # a lone surrogate
            message = "the query is not valid text"
            raise RequestError("invalid_request", message, param="sql") from None
        head, body = self._exchange(line, question.limits)
        if head.failure is not None:
            failure = head.failure
            raise RequestError(
                failure.kind,
                failure.message,
                param=failure.param,
                retry_after_s=failure.retry_after_s,
            )
        return Told(body=body, rows=head.rows, truncated=head.truncated)

    def _exchange(self, line: bytes, limits: Limits) -> tuple[CellHead, bytes]:
        if self._cell is not None and self._cell.has_ended:  # nobody had asked for long
            self._drop()
        waiting = self._cell
        cell = self._cell = waiting or _Cell()
        try:
            return cell.exchange(line, within_s=limits.patience_s + limits.seconds + _SLACK_S)
        except _EndedError:
            code = self._drop()
            if cell.overdue:
                raise too_slow(limits.seconds) from None
            if waiting is not None and code == 0:  # it ended just as this was asked
                return self._exchange(line, limits)
            _log.warning("a question to the usage data was the end of its process (%s)", code)
            raise RequestError("invalid_request", TOO_MUCH_MEMORY, param="sql") from None

    def _drop(self) -> int | None:
        """Be rid of the process; its exit code."""
        cell, self._cell = self._cell, None
        return None if cell is None else cell.end()


class _Cell:
    """A running `cell`. `kill` may be called by any thread."""

    def __init__(self) -> None:
        package = str(Path(__file__).parents[2])
        given = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        paths = filter(None, (package, given.get("PYTHONPATH")))
        self.overdue = False
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "omniroute.ledger.cell"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=given | _ALLOCATOR | {"PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,  # what a terminal sends is for the server
        )

    def exchange(self, line: bytes, *, within_s: float) -> tuple[CellHead, bytes]:
        """A question, and its answer. Raises _EndedError. Blocks."""
        source, sink = self._process.stdout, self._process.stdin
        assert source is not None  # noqa: S101 - it was started with pipes
        assert sink is not None  # noqa: S101
        alarm = threading.Timer(within_s, self._give_up)
        alarm.daemon = True
        alarm.start()
        try:
            sink.write(line)
            sink.flush()
            head = _decode(source.readline(_MAX_HEAD_BYTES))
            body = source.read(head.size)
        except (OSError, msgspec.DecodeError):
            raise _EndedError from None
        finally:
            alarm.cancel()
        if self.overdue or len(body) != head.size:
            raise _EndedError
        return head, body

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> int:
        """Its exit code: its own where its output has ended, else that of being killed."""
        try:
            return self._process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()
        finally:
            for pipe in (self._process.stdin, self._process.stdout):
                with suppress(OSError):  # what was not written has no reader
                    if pipe is not None:
                        pipe.close()

    def _give_up(self) -> None:
        self.overdue = True
        self.kill()
