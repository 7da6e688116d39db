"""Which store a worker uses: its own memory, a Valkey of ours, or one that machines share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from omniroute.base.clock import Clock
from omniroute.config.model import Config
from omniroute.config.refs import resolve
from omniroute.state.embedded import Embedded
from omniroute.state.memory import MemoryStore
from omniroute.state.store import Store
from omniroute.state.valkey import ValkeyStore

FOLDER: Final = "state"
STATE_ENV: Final = "OMNIROUTE_STATE_URL"
"""Set by the parent of several workers: where its embedded server listens."""


def open_store(config: Config, clock: Clock) -> Store:
    """The store that this process is to use. Raises MissingSecretError for its URL's secret."""
    url = os.environ.get(STATE_ENV)
    if config.state_url is not None:
        url = resolve(config.state_url, env=os.environ.get, read_file=_read_file).reveal()
    if url:
        return ValkeyStore(url, clock=clock)
    return MemoryStore(Path(config.server.data_dir) / FOLDER, clock)


def embed_store(config: Config) -> Embedded | None:
    """For the parent of several workers: a server of our own, unless a URL is configured.

    Raises StateError when none can be started.
    """
    if config.state_url is not None or os.environ.get(STATE_ENV):
        return None
    embedded = Embedded(Path(config.server.data_dir) / FOLDER)
    os.environ[STATE_ENV] = embedded.url
    return embedded


def _read_file(path: str) -> bytes:
    return Path(path).read_bytes()
