"""The exact cache around a run: hits, misses, and what passes by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from omniroute.admission.values import Admit, Caller
from omniroute.base.clock import ManualClock
from omniroute.config.model import Cache, ExactCache
from omniroute.gateway.cached import cache_key, through_cache
from omniroute.gateway.call import Inbound, Whole
from omniroute.state.memory import MemoryStore

SETTINGS = Cache(exact=ExactCache(enabled=True, ttl_s=60.0))
BODY: dict[str, Any] = {"model": "m", "temperature": 0}


def key_of(
    key: str = "ci", headers: dict[str, str] | None = None, settings: Cache = SETTINGS
) -> str | None:
    return cache_key(
        settings,
        Admit(caller=Caller(key_id=key), model="m"),
        Inbound(request_id="r", path="/v1/x", format="openai-chat", headers=headers or {}),
        BODY,
        temperature=0,
        stream=False,
    )


def test_what_passes_by() -> None:
    assert key_of() is not None
    assert key_of(headers={"x-omniroute-no-cache": "true"}) is None
    assert key_of(headers={"x-omniroute-no-cache": "false"}) is not None
    assert key_of(settings=Cache()) is None
    assert key_of("other") != key_of()


async def test_an_equal_question_runs_once_while_it_is_kept() -> None:
    store, clock = MemoryStore(), ManualClock(datetime(2026, 11, 24, tzinfo=UTC))
    runs = list[int]()

    async def ask(status: int = 200, key: str | None = None) -> Whole | None:
        async def run() -> Whole:
            runs.append(status)
            headers = {"X-OmniRoute-Provider": "lab", "X-OmniRoute-Model": "lab/m"}
            return Whole(status=status, body=b"{}", headers=headers)

        return await through_cache(
            run,
            key or key_of() or "",
            settings=SETTINGS,
            store=store,
            clock=clock,
            request_id="again",
        )

    missed = await ask()
    assert missed is not None
    assert missed.headers["X-OmniRoute-Cache"] == "MISS"
    assert await ask() == Whole(
        status=200,
        body=b"{}",
        headers={
            "X-Request-Id": "again",
            "X-OmniRoute-Provider": "lab",
            "X-OmniRoute-Model": "lab/m",
            "X-OmniRoute-Cache": "HIT",
        },
    )
    assert len(runs) == 1
    clock.advance(60.0)
    await ask()
    assert len(runs) == 2
    for _ in range(2):
        await ask(status=206, key="partial")
    assert len(runs) == 4
