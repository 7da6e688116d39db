"""Work on what is large, beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Final, TypeVar

T = TypeVar("T")

BIG_BYTES: Final = 128 << 10
"""From here on a step of a request takes so long that others would notice."""
_THREADS: Final = 2
"""Python runs in one thread at a time: more of them make the loop wait longer for its turn, and one
would make everybody with a long conversation wait for the longest."""


class Heavy:
    """One worker's threads for it; ended by `close`."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="heavy")

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` gives, while the loop goes on; not worth the way for what is small."""
        context = copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, context.run, work)

    def close(self) -> None:
        """What has not begun never will; what runs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
