"""The stores under test, and reservations in few words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from omniroute.state.store import (
    BudgetTake,
    Reservation,
    Shortage,
    SlotTake,
    Space,
    Taken,
    WindowTake,
)

NOW_S = 1_800_000_000.0
SPACE = Space(name="cache", max_entries=3, max_bytes=1000)


def requests(limit: int, *, window_s: float = 60.0, key: str = "k") -> WindowTake:
    return WindowTake(
        key=f"{key}|requests|{window_s:g}",
        owner=f"key:{key}",
        unit="requests",
        limit=limit,
        window_s=window_s,
        cost=1,
    )


def tokens(limit: int, cost: int, *, window_s: float = 60.0, key: str = "k") -> WindowTake:
    return WindowTake(
        key=f"{key}|tokens|{window_s:g}",
        owner=f"key:{key}",
        unit="tokens",
        limit=limit,
        window_s=window_s,
        cost=cost,
    )


def slot(limit: int, *, key: str = "k") -> SlotTake:
    return SlotTake(key=f"{key}|concurrent", owner=f"key:{key}", limit=limit)


def budget(limit: int, cost: int, *, key: str = "b", enforce: bool = True) -> BudgetTake:
    return BudgetTake(
        key=f"budget|{key}",
        owner=key,
        limit_nanousd=limit,
        cost_nanousd=cost,
        enforce=enforce,
        expires_at_s=NOW_S + 1e6,
    )


def reservation(*takes: WindowTake | SlotTake | BudgetTake) -> Reservation:
    return Reservation(
        windows=tuple(take for take in takes if isinstance(take, WindowTake)),
        slots=tuple(take for take in takes if isinstance(take, SlotTake)),
        budgets=tuple(take for take in takes if isinstance(take, BudgetTake)),
    )


def granted(result: Taken | Shortage) -> Taken:
    assert isinstance(result, Taken), result
    return result


def short(result: Taken | Shortage) -> Shortage:
    assert isinstance(result, Shortage), result
    return result


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    """Wait for another process; fails loudly after twenty seconds."""
    for _ in range(400):
        if await check():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never came true")
