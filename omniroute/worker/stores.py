"""Which store a worker uses: its own memory, a Valkey of ours, or one that machines share.

And what budgets had spent before this start, as the ledger remembers it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

from omniroute.admission.budget import BudgetBook, Spend, rebuild_since, rebuild_spend
from omniroute.base.clock import Clock
from omniroute.config.model import Config
from omniroute.config.refs import resolve
from omniroute.errors import LedgerError
from omniroute.ledger.orders import SpentRow
from omniroute.state.embedded import EmbeddedValkey
from omniroute.state.memory import MemoryStore
from omniroute.state.store import Store

_log = logging.getLogger("omniroute.stores")

FOLDER: Final = "state"
STATE_ENV: Final = "OMNIROUTE_STATE_URL"
"""Set by the parent of several workers: where its embedded server listens."""


def open_store(config: Config, clock: Clock) -> Store:
    """The store that this process is to use. Raises MissingSecretError for its URL's secret."""
    url = os.environ.get(STATE_ENV)
    if config.state.url is not None:
        url = resolve(config.state.url, env=os.environ.get, read_file=_read_file).text.reveal()
    if url:
        from omniroute.state.valkey import ValkeyStore  # its client for who shares a store

        return ValkeyStore(url, clock=clock)
    return MemoryStore(Path(config.server.data_dir) / FOLDER, clock)


def embed_store(config: Config, *, folder_lock: int | None = None) -> EmbeddedValkey | None:
    """For the parent of several workers: a server of our own, unless a URL is configured.

    It holds the data folder for as long as it writes there. Raises StateError when none can be
    started.
    """
    if config.state.url is not None or os.environ.get(STATE_ENV):
        return None
    embedded = EmbeddedValkey(
        Path(config.server.data_dir) / FOLDER,
        keep_open=() if folder_lock is None else (folder_lock,),
    )
    os.environ[STATE_ENV] = embedded.url
    return embedded


def _read_file(path: str) -> bytes:
    return Path(path).read_bytes()


async def restore_budgets(
    store: Store,
    book: BudgetBook,
    spent: Callable[[datetime], Iterable[SpentRow]],
    now: datetime,
) -> None:
    """Bring back what was spent in the current periods, where the store does not know it.

    `spent` tells what was spent since an instant, and blocks.
    """
    since = rebuild_since(book, now)
    if since is None:
        return
    try:
        rows = await asyncio.to_thread(spent, since)
    except LedgerError as error:
        _log.warning("budgets start without the ledger's memory: %s", error)
        rows = ()
    rebuilt = rebuild_spend(book, _spends(rows), now)
    for meter in book.meters.values():
        counter = meter.counter(now)
        if counter in rebuilt:
            await store.restore(
                {counter: rebuilt[counter]},
                expires_at_s=meter.expires_at_s(now),
                overwrite=False,
            )


def _spends(rows: Iterable[SpentRow]) -> list[Spend]:
    return [
        Spend(
            at=row.at,
            key_id=row.key,
            tags=row.tags,
            provider=row.provider,
            model=row.model,
            cost_nanousd=row.cost_nanousd,
        )
        for row in rows
    ]
