"""Which store a configuration means."""

from __future__ import annotations

from pathlib import Path

import pytest

from omniroute.base.clock import SystemClock
from omniroute.config.model import Config, Ref, Server, State
from omniroute.config.refs import MissingSecretError
from omniroute.state.memory import MemoryStore
from omniroute.state.store import Store
from omniroute.state.valkey import ValkeyStore
from omniroute.worker.stores import STATE_ENV, embed_store, open_store
from tests.state.stores import NOW_S, granted, requests, reservation, short


def config(folder: Path, url: str | None = None) -> Config:
    return Config(
        server=Server(data_dir=str(folder)), state=State(None if url is None else Ref(url))
    )


async def test_one_worker_keeps_its_state_in_the_data_folder(tmp_path: Path) -> None:
    store: Store = open_store(config(tmp_path), SystemClock())
    assert isinstance(store, MemoryStore)
    await store.close()
    assert (tmp_path / "state" / "state.journal").exists()


async def test_several_workers_find_the_server_of_their_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STATE_ENV, "")  # restored after the test, whatever it becomes meanwhile
    embedded = embed_store(config(tmp_path))
    assert embedded is not None
    assert embed_store(config(tmp_path)) is None
    one, two = (open_store(config(tmp_path), SystemClock()) for _ in range(2))
    granted(await one.take(reservation(requests(1)), NOW_S))
    short(await two.take(reservation(requests(1)), NOW_S))
    await one.close()
    await two.close()
    embedded.close()


async def test_a_configured_url_wins_and_may_hold_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = config(tmp_path, "redis://:${env:OMNI_TEST_PASSWORD}@127.0.0.1:1/0")
    assert embed_store(shared) is None
    with pytest.raises(MissingSecretError):
        open_store(shared, SystemClock())
    monkeypatch.setenv("OMNI_TEST_PASSWORD", "x")
    store = open_store(shared, SystemClock())
    assert isinstance(store, ValkeyStore)
    await store.close()
