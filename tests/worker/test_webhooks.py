"""Budget warnings to a webhook: what is sent, how often it is tried, and where it must not go."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from omniroute.admission.budget import BudgetEvent
from omniroute.base.clock import SystemClock
from omniroute.base.secret import Redactor, Secret
from omniroute.base.tasks import Supervisor
from omniroute.upstream.options import TransportOptions
from omniroute.upstream.pool import TransportPool
from omniroute.worker.webhooks import MAX_RUNNING, Hook, Webhooks
from tests.chat import ASK, COMPLETION, answer, lab
from tests.running import running, until
from tests.scripted import CUT, HANG, Recorded, Script, respond, scripted_upstream

EVENT = BudgetEvent(
    budget="all",
    period="2026-11",
    threshold=0.8,
    spent_nanousd=4_100_000_000,
    limit_nanousd=5_000_000_000,
)


class Caller:
    """Webhooks with results in a list."""

    def __init__(self, webhooks: Webhooks, results: list[str]) -> None:
        self.webhooks = webhooks
        self.results = results

    async def call(self, url: str, *, private: bool = True) -> None:
        """Send the event and wait for the result."""
        known = len(self.results)
        options = TransportOptions(allow_private_network=private)
        self.webhooks.send(Hook(url=Secret(url), transport=options), EVENT)
        await until(lambda: len(self.results) > known)


@asynccontextmanager
async def calling() -> AsyncGenerator[Caller]:
    pool, supervisor, results = TransportPool(), Supervisor(), list[str]()
    try:
        yield Caller(
            Webhooks(
                pool,
                supervisor,
                clock=SystemClock(),
                count=results.append,
                redact=Redactor(()),
                waits_s=(0.0, 0.0),
            ),
            results,
        )
    finally:
        await supervisor.stop()
        await pool.close()


async def test_an_event_is_posted_once() -> None:
    async with scripted_upstream([respond(b"")]) as receiver, calling() as caller:
        await caller.call(f"{receiver.url}/hook?token=t")
        assert caller.results == ["ok"]
        (request,) = receiver.requests
        body = request.json()
        assert body.pop("at")
        assert body == {
            "event": "budget.warning",
            "budget": "all",
            "period": "2026-11",
            "threshold": 0.8,
            "spentUsd": 4.1,
            "limitUsd": 5.0,
        }
        assert (request.method, request.target) == ("POST", "/hook?token=t")
        assert request.headers["content-type"] == "application/json"


async def test_what_may_pass_is_tried_again() -> None:
    answers: list[Script] = [[CUT], [respond(b"", status=503)], [respond(b"", status=204)]]

    def script(request: Recorded) -> Script:
        return answers.pop(0)

    async with scripted_upstream(script) as receiver, calling() as caller:
        await caller.call(receiver.url)
        assert caller.results == ["ok"]
        assert len(receiver.requests) == 3


@pytest.mark.parametrize(("status", "attempts"), [(500, 3), (429, 3), (404, 1), (302, 1)])
async def test_attempts_are_bounded(
    status: int, attempts: int, caplog: pytest.LogCaptureFixture
) -> None:
    reply = respond(b"", status=status, headers=(("location", "http://127.0.0.1:9/"),))
    async with scripted_upstream([reply]) as receiver, calling() as caller:
        with caplog.at_level(logging.ERROR, "omniroute.webhooks"):
            await caller.call(f"{receiver.url}/token-in-path")
        assert caller.results == ["failed"]
        assert len(receiver.requests) == attempts
        assert f"answered {status}" in caplog.text
        assert "token-in-path" not in caplog.text


async def test_private_addresses_are_refused() -> None:
    async with scripted_upstream([respond(b"")]) as receiver, calling() as caller:
        await caller.call(receiver.url, private=False)
        assert caller.results == ["failed"]
        assert receiver.requests == []


async def test_a_receiver_that_hangs_gathers_a_bounded_number() -> None:
    async with scripted_upstream([HANG]) as receiver, calling() as caller:
        hook = Hook(
            url=Secret(receiver.url), transport=TransportOptions(allow_private_network=True)
        )
        for _ in range(MAX_RUNNING + 3):
            caller.webhooks.send(hook, EVENT)
        assert caller.results == ["dropped"] * 3


async def test_spend_that_crosses_a_share_calls_the_budget_s_webhook(tmp_path: Path) -> None:
    """An answer costs 46 µUSD, so each of the two shares is crossed by one request."""
    async with (
        scripted_upstream([answer(200, COMPLETION)]) as upstream,
        scripted_upstream([respond(b"")]) as receiver,
    ):
        hook = f'{{url: "{receiver.url}/hook", allow_private_network: true}}'
        budget = f"""
budgets:
  all: {{limit: 0.0001, period: total, warn_at: [40%, 80%], action: warn, webhook: {hook}}}
"""
        async with running(tmp_path, lab(upstream.url, budget)) as gateway:
            for _ in range(2):
                await gateway.client.post("/v1/chat/completions", json=ASK)
            await receiver.received(2)
            told = [request.json() for request in receiver.requests]
            assert sorted(one["threshold"] for one in told) == [0.4, 0.8]
            await until(lambda: gateway.runtime.meters.hooks.get("ok") == 2)


async def test_a_missing_secret_disables_the_webhook_alone(tmp_path: Path) -> None:
    budget = """
budgets:
  all: {limit: 1, warn_at: [80%], webhook: "${env:NO_SUCH_HOOK}"}
"""
    async with running(tmp_path, lab("http://127.0.0.1:9", budget)) as gateway:
        snapshot = gateway.runtime.snapshot
        assert dict(snapshot.hooks) == {}
        assert "OR902" in [item.code for item in snapshot.warnings]
        assert "all" in snapshot.admission.book.meters
