"""Policies, budgets and the cache, as the management API shows them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tests.chat import ASK, COMPLETION, answer, lab
from tests.running import Gateway, running
from tests.scripted import scripted_upstream

CHAT = "/v1/chat/completions"
RULES = f"""
auth: {{require_api_key: false, dashboard: {{require_login: false}}}}
keys:
  app: {{hash: "sha256:{hashlib.sha256(b"omr_app").hexdigest()}", tags: {{team: a}}}}
  other: {{hash: "sha256:{hashlib.sha256(b"omr_other").hexdigest()}"}}
policies:
  - {{id: quiet, action: warn, when: "request.stream", message: streams are watched}}
  - {{id: slow, action: limit, limit: {{requests: 100/m}}, per: key}}
budgets:
  team-a: {{scope: {{tag: {{team: a}}}}, limit: 5, period: daily, warn_at: [80%]}}
  other: {{scope: {{key: other}}, limit: 1, period: total}}
cache: {{exact: {{enabled: true, max_entries: 9}}}}
"""


async def got(gateway: Gateway, path: str) -> Any:
    reply = await gateway.client.get(path)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_policies_name_their_place(tmp_path: Path) -> None:
    async with running(tmp_path, lab("http://127.0.0.1:9", RULES)) as gateway:
        rows = (await got(gateway, "/api/policies"))["policies"]
        text = (tmp_path / "omniroute.yaml").read_text().splitlines()
        assert [row["id"] for row in rows] == ["quiet", "slow"]
        assert all(f"id: {row['id']}" in text[row["line"] - 1] for row in rows)
        assert rows[0]["file"].endswith("omniroute.yaml")
        assert rows[1]["limit"]["requests"] == {"amount": 100, "windowMs": 60_000}


async def test_budgets_tell_what_is_left(tmp_path: Path) -> None:
    async with (
        scripted_upstream([answer(200, COMPLETION)]) as upstream,
        running(tmp_path, lab(upstream.url, RULES)) as gateway,
    ):
        reply = await gateway.client.post(
            CHAT, json=ASK, headers={"authorization": "Bearer omr_app"}
        )
        cost = float(reply.headers["x-omniroute-cost"])
        rows = {row["id"]: row for row in (await got(gateway, "/api/usage/budget"))["budgets"]}
        assert set(rows) == {"team-a", "other"}
        team = rows["team-a"]
        assert team["scope"] == {"tag": {"team": "a"}}
        assert (team["limitUsd"], team["spentUsd"], team["reservedUsd"]) == (5, cost, 0)
        assert team["leftUsd"] == 5 - cost
        assert team["startsAt"] < team["resetsAt"]
        assert rows["other"]["resetsAt"] is None
        of_app = (await got(gateway, "/api/usage/budget?keyId=app"))["budgets"]
        assert [row["id"] for row in of_app] == ["team-a"]
        missing = await gateway.client.get("/api/usage/budget?apiKeyId=nobody")
        assert missing.status_code == 404


async def test_the_cache_is_shown_and_cleared(tmp_path: Path) -> None:
    body = {**ASK, "temperature": 0}
    async with (
        scripted_upstream([answer(200, COMPLETION)]) as upstream,
        running(tmp_path, lab(upstream.url, RULES)) as gateway,
    ):
        for cache in ("MISS", "HIT"):
            reply = await gateway.client.post(
                CHAT, json=body, headers={"Idempotency-Key": f"k-{cache}"}
            )
            assert reply.headers["x-omniroute-cache"] == cache
        shown = await got(gateway, "/api/cache")
        assert shown["semanticCache"] == {
            "tier": "exact",
            "memorySize": 1,
            "memoryMaxSize": 9,
            "dbSize": 0,
            "hits": 1,
            "misses": 1,
            "evictions": 0,
            "hitRate": 0.5,
        }
        assert shown["idempotency"] == {"activeKeys": 2, "windowMs": 5000}
        stats = await got(gateway, "/api/cache/stats")
        assert (stats["size"], stats["maxSize"]) == (1, 9)
        assert stats["bytes"] > 0
        cleared = await gateway.client.delete("/api/cache")
        assert cleared.json() == {"ok": True, "cleared": 1, "scope": "all"}
        assert (await got(gateway, "/api/cache/stats"))["size"] == 0
