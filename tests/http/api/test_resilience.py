"""What the management API tells of breakers, limits, sessions and availability."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from omniroute.catalog.presets import load_presets
from tests.chat import ASK, COMPLETION, answer, lab
from tests.running import Gateway, running
from tests.scripted import Recorded, scripted_upstream

CHAT = "/v1/chat/completions"
OPEN_MANAGEMENT = """
auth: {dashboard: {require_login: false}}
resilience: {breaker: {failures: 2, open: 5m}, retry: {attempts: 0}, queue: {max_concurrent: 7}}
combos:
  both: {targets: [lab/m, spare/echo], resilience: {queue: {min_gap: 1s}, retry: {base: 1s}}}
aliases: {nick: lab/m}
"""
SPARE = "  spare: {preset: echo}"


@asynccontextmanager
async def failing(folder: Path) -> AsyncGenerator[Gateway]:
    """A gateway whose provider `lab` has failed until its breaker opened."""

    async with (
        scripted_upstream([answer(500, {"error": {"message": "down"}})]) as upstream,
        running(folder, lab(upstream.url, OPEN_MANAGEMENT, SPARE)) as gateway,
    ):
        for _ in range(2):
            assert (await gateway.client.post(CHAT, json=ASK)).status_code == 500
        yield gateway


async def got(gateway: Gateway, path: str) -> Any:
    reply = await gateway.client.get(path)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_settings_and_breakers_are_shown(tmp_path: Path) -> None:
    async with failing(tmp_path) as gateway:
        shown = await got(gateway, "/api/resilience")
        assert shown["requestQueue"] == {
            "requestsPerMinute": 0,
            "minTimeBetweenRequestsMs": 0,
            "concurrentRequests": 7,
            "maxWaitMs": 10_000,
        }
        assert shown["providerBreaker"]["failureThreshold"] == 2
        own = ["retry.baseMs", "requestQueue.minTimeBetweenRequestsMs"]
        assert shown["overrides"]["combos"] == {"both": own}
        (row,) = shown["breakers"]
        assert (row["provider"], row["connection"], row["model"]) == ("lab", "main", "m")
        assert (row["state"], row["failureCount"]) == ("OPEN", 2)
        assert 290_000 < row["retryAfterMs"] <= 300_000
        assert row["lastFailureReason"] == "upstream"


async def test_health_tells_what_is_down(tmp_path: Path) -> None:
    async with failing(tmp_path) as gateway:
        shown = await got(gateway, "/api/monitoring/health")
        assert shown["status"] == "degraded"
        (reason,) = shown["reasons"]
        since, until = map(datetime.fromisoformat, (reason.pop("since"), reason.pop("until")))
        assert (until - since).total_seconds() == pytest.approx(300, abs=1)
        assert reason == {
            "part": "breaker",
            "connectionId": "lab/main",
            "model": "m",
            "message": "breaker open (upstream)",
        }
        assert shown["circuitBreakers"] == {"open": 1, "halfOpen": 0, "closed": 0, "total": 1}
        assert shown["providerHealth"]["lab"]["state"] == "OPEN"
        assert shown["lockouts"][0]["connectionId"] == "lab/main"
        assert shown["lockouts"][0]["reason"] == "breaker open"


async def test_a_refused_credential_is_told_until_it_is_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong")

    def provider(request: Recorded) -> list[bytes]:
        if request.headers["authorization"] == "Bearer right":
            return [answer(200, COMPLETION)]
        return [answer(401, {"error": {"message": "no such key"}})]

    with caplog.at_level("INFO", "omniroute"):
        async with (
            scripted_upstream(provider) as upstream,
            running(
                tmp_path,
                lab(upstream.url, OPEN_MANAGEMENT, SPARE).replace(
                    "${env:LAB_KEY:-lab-credential}", f"${{file:{secret}}}"
                ),
            ) as gateway,
        ):
            path = "/api/monitoring/health"
            assert (await got(gateway, path))["reasons"] == []
            assert (await gateway.client.post(CHAT, json=ASK)).status_code == 401
            shown = await got(gateway, path)
            assert shown["status"] == "degraded"
            (reason,) = shown["reasons"]
            since, until = map(datetime.fromisoformat, (reason.pop("since"), reason.pop("until")))
            assert 9 < (until - since).total_seconds() < 11
            assert reason == {
                "part": "credential",
                "connectionId": "lab/main",
                "model": None,
                "message": "credential refused (authentication)",
            }
            assert (await gateway.client.post(CHAT, json=ASK)).status_code == 503
            assert len(upstream.requests) == 1
            secret.write_text("right")
            await gateway.runtime.reloader.reload("test")
            assert (await got(gateway, path))["status"] == "healthy"
            assert (await gateway.client.post(CHAT, json=ASK)).status_code == 200
            counted = await gateway.client.get("/metrics")
            name = "omniroute_connection_changes_total"
            labels = 'connection="lab/main",part="credential",state="refused"'
            assert f'{name}{{{labels},worker="0"}} 1.0' in counted.text
    told = [record.message for record in caplog.records if record.name == "omniroute.runtime"]
    assert [line for line in told if line.startswith("lab/main")] == [
        "lab/main: its credential was refused (authentication) and rests for 10 s",
        "lab/main: its credential, refused until now, was replaced",
    ]


async def test_a_reset_closes_the_breaker(tmp_path: Path) -> None:
    async with failing(tmp_path) as gateway:
        reset = "/api/resilience/reset"
        elsewhere = await gateway.client.post(reset, json={"provider": "spare"})
        assert elsewhere.json()["resetCount"] == 0
        unknown = await gateway.client.post(reset, json={"provider": "nope"})
        assert unknown.status_code == 404
        assert unknown.json()["error"]["details"] == {"field": "provider"}
        wrong = await gateway.client.post(reset, json={"connection": 3})
        assert wrong.status_code == 400
        assert (await got(gateway, "/api/resilience"))["breakers"][0]["state"] == "OPEN"
        done = await gateway.client.post(reset)
        assert done.json() == {
            "ok": True,
            "resetCount": 1,
            "message": "Reset 1 circuit breaker(s)",
        }
        assert (await got(gateway, "/api/resilience"))["breakers"][0]["state"] == "CLOSED"


async def test_availability_follows_the_breakers(tmp_path: Path) -> None:
    spare = load_presets()["echo"].models
    async with failing(tmp_path) as gateway:
        shown = await got(gateway, "/api/models/availability")
        assert {row["model"]: row["status"] for row in shown["models"]} == {
            "both": "degraded",
            "nick": "unavailable",
            "lab/m": "unavailable",
            **{f"spare/{model}": "available" for model in spare},
        }
        assert shown["summary"] == {"available": len(spare), "degraded": 1, "unavailable": 2}
        path = "/api/models/availability"
        one = (await gateway.client.post(path, json={"model": "nick"})).json()
        assert (one["target"], one["available"]) == ("lab/m", False)
        assert one["connections"][0]["reason"] == "breaker open"
        assert one["retryAfterMs"] > 0
        assert (await gateway.client.post(path, json={"model": "none/such"})).status_code == 404
        assert (await gateway.client.post(path, json={})).status_code == 400


async def test_limits_are_learned_from_answers(tmp_path: Path) -> None:
    limited = answer(
        200,
        COMPLETION,
        x_ratelimit_limit_requests="60",
        x_ratelimit_remaining_requests="59",
        x_ratelimit_reset_requests="10s",
    )
    async with (
        scripted_upstream([limited]) as upstream,
        running(tmp_path, lab(upstream.url, OPEN_MANAGEMENT, SPARE)) as gateway,
    ):
        await gateway.client.post(CHAT, json=ASK)
        shown = await got(gateway, "/api/rate-limits")
        assert [row["connectionId"] for row in shown["connections"]] == [
            "lab/main",
            "spare/default",
        ]
        row = shown["connections"][0]
        learned = row["learned"]["m"]["requests"]
        assert (learned["limit"], learned["remaining"]) == (60, 59)
        assert 0 < learned["resetMs"] <= 10_000
        assert row["configured"]["concurrentRequests"] == 7
        narrow = await got(gateway, "/api/rate-limit?connection=spare/default")
        assert [row["name"] for row in narrow["connections"]] == ["default"]
        missing = await gateway.client.get("/api/rate-limit?provider=lab&connection=nope")
        assert missing.status_code == 404


async def test_sessions_show_where_they_stay(tmp_path: Path) -> None:
    async with (
        scripted_upstream([answer(200, COMPLETION)]) as upstream,
        running(tmp_path, lab(upstream.url, OPEN_MANAGEMENT, SPARE)) as gateway,
    ):
        for name in ("a", "b", "a"):
            await gateway.client.post(CHAT, json=ASK, headers={"X-Session-Id": name})
        shown = await got(gateway, "/api/sessions")
        assert shown["count"] == 2
        assert shown["byApiKey"] == {"": 2}
        assert [(row["sessionId"], row["requestCount"]) for row in shown["sessions"]] == [
            ("a", 2),
            ("b", 1),
        ]
        assert shown["sessions"][0]["connectionId"] == "lab/main"
