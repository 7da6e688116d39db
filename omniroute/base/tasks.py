"""The one place where work that outlives a request is started, named and ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

_log = logging.getLogger("omniroute.tasks")


class Supervisor:
    """Owns background tasks: keeps them referenced, logs their failures, ends them at shutdown."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], str] = {}

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start `work`; a failure is logged once and ends only this task."""
        task = asyncio.create_task(work, name=name)  # noqa: TID251 - this is the one owner
        self._tasks[task] = name
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        name = self._tasks.pop(task, "?")
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            _log.error("background task %s failed", name, exc_info=error)

    async def stop(self, grace_s: float = 5.0) -> None:
        """Cancel everything and wait up to `grace_s` seconds for it to end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=grace_s)
