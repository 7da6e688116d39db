"""What one answer leaves behind for later requests of the same key: thinking, whole responses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from omniroute.base.bigjson import read_json, write_json
from omniroute.state.store import Space, Store

KEEP_S: Final = 24 * 3600.0  # a conversation that pauses over a day starts again without them
TURN: Final = 200
"""Look-ups between which other requests get their turn."""
RECALL: Final = Space(name="recall", max_entries=20_000, max_bytes=64 << 20)
"""What another format had no place for, by tool-call id."""
RESPONSES: Final = Space(name="responses", max_entries=5_000, max_bytes=128 << 20)
"""Conversations behind `previous_response_id`."""


async def remember(
    store: Store, key_id: str | None, values: Mapping[str, Any], now_s: float
) -> None:
    """Keep `values`, by tool-call id, for later turns of this key alone."""
    for name, value in values.items():
        await store.put(RECALL, _scoped(key_id, name), write_json(value), ttl_s=KEEP_S, now_s=now_s)


async def recall(
    store: Store, key_id: str | None, names: Iterable[str], now_s: float
) -> dict[str, Any]:
    """What is known of these tool calls; absent where it is not."""
    found = dict[str, Any]()
    for count, name in enumerate(dict.fromkeys(names), 1):
        if count % TURN == 0:
            await asyncio.sleep(0)  # a store in memory never waits, and others want their turn
        value = await store.get(RECALL, _scoped(key_id, name), now_s)
        if value is not None:
            found[name] = read_json(value)
    return found


async def save_response(
    store: Store, key_id: str | None, response_id: str, body: bytes, now_s: float
) -> None:
    """Keep what a later request may continue with `previous_response_id`."""
    await store.put(RESPONSES, _scoped(key_id, response_id), body, ttl_s=KEEP_S, now_s=now_s)


async def load_response(
    store: Store, key_id: str | None, response_id: str, now_s: float
) -> bytes | None:
    """None also for another key's response: whose it is cannot be probed."""
    return await store.get(RESPONSES, _scoped(key_id, response_id), now_s)


async def drop_response(store: Store, key_id: str | None, response_id: str) -> None:
    """Forget a response; one that is not there is forgotten already."""
    await store.delete(RESPONSES, _scoped(key_id, response_id))


def _scoped(key_id: str | None, name: str) -> str:
    return f"{key_id or ''}|{name}"
