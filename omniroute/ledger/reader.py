"""Questions to the ledger from a server: answered in a process of their own, one at a time.

Nothing of it runs on the loop. The process starts with the first question, stays for the next ones
(starting takes a quarter of a second), ends when nobody asks, and is ended when an answer takes too
long or more memory than it may.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from omniroute.errors import LedgerError, RequestError
from omniroute.ledger.process import LedgerProcess, ProcessEndedError
from omniroute.ledger.question import (
    TOO_MUCH_MEMORY,
    CellHead,
    CellQuestion,
    Form,
    Limits,
    too_slow,
)
from omniroute.ledger.writer import LedgerWriter

WAIT_S: Final = 5.0
"""How long a question waits for those before it."""
BUSY_S: Final = 0.3
"""How long the newest rows are worth waiting for, where somebody else holds the database."""
_SLACK_S: Final = 3.0  # of starting, and of what DuckDB does before it looks at the clock
_decode = msgspec.json.Decoder(CellHead).decode
_log = logging.getLogger("omniroute.ledger")


class Told(Struct, frozen=True, kw_only=True):
    """An answer in the form that was asked for."""

    body: bytes
    rows: int
    truncated: bool


class LedgerReader:
    """One process's worth of questions. `ask` belongs to the event loop."""

    def __init__(self, data_dir: Path, writer: LedgerWriter) -> None:
        self._data_dir = data_dir
        self._writer = writer
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="usage")
        self._cell = LedgerProcess("omniroute.ledger.cell")

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
        self._cell.kill()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._cell.end)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, question: CellQuestion) -> Told:
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._thread, self._answer, question)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:  # the client has left, and nobody needs the answer
            self._cell.kill()
            await asyncio.wait([work])
            work.exception()
            raise

    def _answer(self, question: CellQuestion) -> Told:
        """Blocks, within the question's limits."""
        with suppress(LedgerError):  # what is there already can be read all the same
            self._writer.drain_all(patience_s=BUSY_S)
            self._writer.create()
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
        within_s = limits.patience_s + limits.seconds + _SLACK_S
        try:
            return self._cell.exchange(line, _decode, within_s=within_s)
        except ProcessEndedError as exc:
            if exc.overdue:
                raise too_slow(limits.seconds) from None
            _log.warning("a question to the usage data was the end of its process (%s)", exc.code)
            raise RequestError("invalid_request", TOO_MUCH_MEMORY, param="sql") from None
