"""The line to a Valkey or Redis: scripts by name, one bounded wait, and knowing when it is down.

While it is down nobody waits for it: after a failure the next try comes half a second later, and
whoever asks in between learns at once that the store is away.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final

import valkey.asyncio as client
from valkey.commands.core import AsyncScript
from valkey.exceptions import (
    BusyLoadingError,
    ConnectionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
    ValkeyError,
)

from omniroute.errors import StateError

TIMEOUT_S: Final = 2.0  # a script takes far below a millisecond; this long means it is gone
RETRY_S: Final = 0.5
_SCRIPTS: Final = ("take", "settle", "renew", "get", "peek", "put", "delete", "begin", "finish")
_CANNOT_WRITE: Final = ("MISCONF", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN")
"""Errors of a server that answers but takes no writes: a full disk, a lost replica."""
_log = logging.getLogger("omniroute.state")


class StoreAwayError(StateError):
    """The shared store cannot be reached, or does not answer in time."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent
        """The command may have been carried out although no answer came."""


class Link:
    """A pool of connections to one server; lives as long as the process."""

    def __init__(self, url: str) -> None:
        self._client: Any = client.Valkey.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
        )
        self._scripts: dict[str, AsyncScript] = {}
        for name in _SCRIPTS:
            text = files("omniroute.state").joinpath("lua", f"{name}.lua").read_text("utf-8")
            self._scripts[name] = self._client.register_script(text)
        self._retry_at_s = 0.0
        self.available = True

    async def run(self, script: str, keys: Sequence[str], args: Sequence[object]) -> Any:
        """The script's answer; raises StoreAwayError."""
        return await self._ask(self._scripts[script], keys, args)

    async def command(self, *words: object) -> Any:
        return await self._ask(self._client.execute_command, *words)

    async def _ask(self, call: Any, *args: Any) -> Any:
        loop = asyncio.get_running_loop()
        if not self.available and loop.time() < self._retry_at_s:
            raise StoreAwayError("the shared store is away", sent=False)
        # Set before the attempt, so that requests that come meanwhile do not queue up behind it.
        self._retry_at_s = loop.time() + RETRY_S
        task = asyncio.current_task()
        cancels = task.cancelling() if task is not None else 0
        try:
            answer = await call(*args)
        except (ConnectionError, TimeoutError, OSError, ResponseError) as error:
            if not _is_away(error):
                raise
            if self.available:
                self.available = False
                _log.error("the shared state store is away: %s", _reason(error))
            raise StoreAwayError("the shared store is away", sent=True) from error
        if not self.available:
            self.available = True
            _log.warning("the shared state store is back")
        if task is not None and task.cancelling() > cancels:
            # The client sends under `asyncio.wait_for`, which before Python 3.12 can swallow this.
            raise asyncio.CancelledError
        return answer

    async def close(self) -> None:
        try:
            await self._client.aclose()
        except (ValkeyError, OSError):
            _log.debug("the connection to the shared store was already broken")


def _is_away(error: Exception) -> bool:
    """A server that takes no writes keeps no promise either; any other answer is our mistake."""
    match error:
        case BusyLoadingError() | ReadOnlyError() | OutOfMemoryError():
            return True
        case ResponseError():
            return str(error).startswith(_CANNOT_WRITE)
        case _:
            return True


def _reason(error: Exception) -> str:
    """Nothing that could hold an address or a password."""
    code = str(error).partition(" ")[0]
    return code if code in _CANNOT_WRITE else type(error).__name__
