"""Kept values belong to the key that made them."""

from __future__ import annotations

from omniroute.state.kept import KEEP_S, load_response, recall, remember, save_response
from omniroute.state.memory import MemoryStore
from tests.state.stores import NOW_S


async def test_thinking_is_recalled_by_tool_call_for_the_same_key() -> None:
    store = MemoryStore()
    await remember(store, "ci", {"call_1": {"signature": "s"}, "call_2": [1]}, NOW_S)
    names = ("call_1", "call_2", "call_3")
    assert await recall(store, "ci", names, NOW_S) == {"call_1": {"signature": "s"}, "call_2": [1]}
    assert await recall(store, "other", names, NOW_S) == {}
    assert await recall(store, None, names, NOW_S) == {}
    assert await recall(store, "ci", names, NOW_S + KEEP_S) == {}


async def test_a_response_is_found_by_its_owner_alone() -> None:
    store = MemoryStore()
    await save_response(store, "ci", "resp_1", b"{}", NOW_S)
    assert await load_response(store, "ci", "resp_1", NOW_S) == b"{}"
    assert await load_response(store, "other", "resp_1", NOW_S) is None
    assert await load_response(store, None, "resp_1", NOW_S) is None
