"""Limits, budgets, policies, the cache and repeats, through the running gateway."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.chat import ASK, COMPLETION, STREAM_HEAD, WHOLE_STREAM, answer, delta, lab
from tests.running import Gateway, running, served
from tests.scripted import CUT, Script, scripted_upstream

CHAT = "/v1/chat/completions"


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def keyed(rules: str, more: str = "") -> str:
    return f"""
auth: {{require_api_key: true}}
keys:
  app: {{hash: "sha256:{digest("omr_app")}", tags: {{team: a}}, {rules}}}
  other: {{hash: "sha256:{digest("omr_other")}", tags: {{team: b}}}}
{more}
"""


async def ask(
    gateway: Gateway, body: dict[str, Any] | None = None, key: str = "omr_app", **headers: str
) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await gateway.client.post(
        CHAT, json=body or ASK, headers={"authorization": f"Bearer {key}", **named}
    )


async def test_a_rate_limit_holds_under_concurrency(tmp_path: Path) -> None:
    async with (
        scripted_upstream([answer(200, COMPLETION)]) as upstream,
        running(tmp_path, lab(upstream.url, keyed("rate_limit: {requests: 10/m}"))) as gateway,
    ):
        replies = await asyncio.gather(*(ask(gateway) for _ in range(30)))
        refused = [reply for reply in replies if reply.status_code == 429]
        assert len(replies) - len(refused) == 10 == len(upstream.requests)
        assert 1 <= int(refused[0].headers["retry-after"]) <= 60
        assert refused[0].json()["error"]["type"] == "rate_limit_error"
        assert (await ask(gateway, key="omr_other")).status_code == 200


async def test_a_budget_is_never_overspent_and_survives_a_restart(tmp_path: Path) -> None:
    """An answer costs 46 µUSD; the estimate before it is larger, and nothing goes past it."""
    budget = """
budgets:
  team-a: {scope: {tag: {team: a}}, limit: 0.0005, period: daily}
"""
    body = {**ASK, "max_tokens": 4}
    async with scripted_upstream([answer(200, COMPLETION)]) as upstream:
        text = lab(upstream.url, keyed("", budget))
        async with running(tmp_path, text) as gateway:
            replies = await asyncio.gather(*(ask(gateway, body) for _ in range(40)))
            served_count = sum(reply.status_code == 200 for reply in replies)
            while (await ask(gateway, body)).status_code == 200:
                served_count += 1
            assert 5 <= served_count <= 10  # 10 answers cost 0.00046
            refused = await ask(gateway, body)
            assert refused.status_code == 402
            assert "team-a" in refused.json()["error"]["message"]
            assert (await ask(gateway, body, key="omr_other")).status_code == 200
        async with running(tmp_path, text) as gateway:
            assert (await ask(gateway, body)).status_code == 402


async def test_a_degraded_budget_goes_elsewhere(tmp_path: Path) -> None:
    budget = """
budgets:
  all: {scope: global, limit: 0.00005, period: daily, action: degrade, degrade_to: echo/echo}
"""
    async with (
        scripted_upstream([answer(200, COMPLETION)]) as upstream,
        running(
            tmp_path, lab(upstream.url, keyed("", budget), "  echo: {preset: echo}")
        ) as gateway,
    ):
        body = {**ASK, "max_tokens": 2}
        seen = [(await ask(gateway, body)).headers["x-omniroute-provider"] for _ in range(4)]
        assert seen[-1] == "echo"


@pytest.mark.parametrize("scope", ["global", "{key: app}", "{provider: lab}", "{model: lab/*}"])
async def test_a_budget_is_not_bypassed_by_a_name_that_nobody_declared(
    tmp_path: Path, scope: str
) -> None:
    home = "  home: {{preset: vllm, base_url: {}/v1}}"
    more = f"""
combos:
  either: {{targets: [lab/mm, lab/m], fallback_on: [budget]}}
budgets:
  all: {{scope: {scope}, limit: 1}}
"""
    async with (
        scripted_upstream([answer(200, COMPLETION)]) as upstream,
        running(tmp_path, lab(upstream.url, keyed("", more), home.format(upstream.url))) as gateway,
    ):
        assert (await ask(gateway)).status_code == 200
        refused = await ask(gateway, {**ASK, "model": "lab/mm"})
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (402, "model_unpriced")
        assert error["message"] == (
            "budget 'all' cannot count lab/mm, which has no price; declare one at "
            "providers.lab.models, such as mm: {price: {input: 0.5, output: 1.5}} in US dollars "
            "per million tokens (0 says that it is free), or let it pass with `unpriced: allow` in "
            "the budget"
        )
        assert len(upstream.requests) == 1
        free = await ask(gateway, {**ASK, "model": "home/whatever"})  # as its preset says
        assert free.headers["x-omniroute-cost"] == "0.000000000"
        either = await ask(gateway, {**ASK, "model": "either"})
        assert either.headers["x-omniroute-model"] == "lab/m"


@pytest.mark.parametrize("rule", ["unpriced: allow", "action: warn"])
async def test_a_budget_can_let_what_it_cannot_count_pass(tmp_path: Path, rule: str) -> None:
    budget = f"budgets: {{all: {{limit: 1, {rule}}}}}\n"
    async with (
        scripted_upstream([answer(200, COMPLETION)]) as upstream,
        running(tmp_path, lab(upstream.url, keyed("", budget))) as gateway,
    ):
        assert (await ask(gateway, {**ASK, "model": "lab/mm"})).status_code == 200


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        (CHAT, {"max_tokens": -(10**9)}),
        (CHAT, {"max_tokens": 1e300}),
        ("/api/chat", {"options": {"num_predict": -2}}),
    ],
)
async def test_a_limit_of_output_that_is_none_reserves_as_none(
    tmp_path: Path, path: str, limit: dict[str, Any]
) -> None:
    budget = "budgets: {all: {limit: 0.00001}}\nauth: {require_api_key: false}\n"
    async with (
        scripted_upstream([answer(200, COMPLETION)]) as upstream,
        running(tmp_path, lab(upstream.url, budget)) as gateway,
    ):
        reply = await gateway.client.post(path, json={**ASK, **limit})
        assert reply.status_code == 402, reply.text
        assert not upstream.requests


async def test_a_degrading_budget_sends_elsewhere_what_it_cannot_count(tmp_path: Path) -> None:
    budget = "budgets: {all: {limit: 1, action: degrade, degrade_to: lab/m}}\n"
    async with (
        scripted_upstream([answer(200, COMPLETION)]) as upstream,
        running(tmp_path, lab(upstream.url, keyed("", budget))) as gateway,
    ):
        reply = await ask(gateway, {**ASK, "model": "lab/mm"})
        assert reply.headers["x-omniroute-model"] == "lab/m"
        assert reply.headers["x-omniroute-warnings"] == "budget:all"


async def test_policies_deny_route_and_set(tmp_path: Path) -> None:
    policies = """
policies:
  - {id: no-b, when: "tags.team == 'b'", action: deny, message: not for team b}
  - {id: night, when: "request.headers.\\"x-night\\" == 'yes'", action: route, to: echo/echo}
  - {id: cap, action: set, values: {max_tokens: 7}}
"""
    async with (
        scripted_upstream([answer(200, COMPLETION)]) as upstream,
        running(
            tmp_path, lab(upstream.url, keyed("", policies), "  echo: {preset: echo}")
        ) as gateway,
    ):
        denied = await ask(gateway, key="omr_other")
        assert denied.status_code == 403
        assert "not for team b" in denied.json()["error"]["message"]
        routed = await ask(gateway, x_night="yes")
        assert routed.headers["x-omniroute-provider"] == "echo"
        await ask(gateway)
        sent = upstream.requests[0].json()
        assert 7 in (sent.get("max_completion_tokens"), sent.get("max_tokens"))


async def test_the_cache_answers_the_same_key_only(tmp_path: Path) -> None:
    async with (
        scripted_upstream([answer(200, COMPLETION)]) as upstream,
        running(
            tmp_path, lab(upstream.url, keyed("", "cache: {exact: {enabled: true}}\n"))
        ) as gateway,
    ):
        body = {**ASK, "temperature": 0}
        first, second = await ask(gateway, body), await ask(gateway, body)
        outcomes = [reply.headers["x-omniroute-cache"] for reply in (first, second)]
        assert (outcomes, first.json()) == (["MISS", "HIT"], second.json())
        assert (await ask(gateway, body, key="omr_other")).headers["x-omniroute-cache"] == "MISS"
        skipped = await ask(gateway, body, x_omniroute_no_cache="true")
        assert "x-omniroute-cache" not in skipped.headers
        assert "x-omniroute-cache" not in (await ask(gateway)).headers  # no temperature of zero
        assert len(upstream.requests) == 4


async def test_a_repeat_waits_for_the_first_one(tmp_path: Path) -> None:
    hold = asyncio.Event()
    script: Script = [hold, answer(200, COMPLETION)]
    async with (
        scripted_upstream(script) as upstream,
        running(tmp_path, lab(upstream.url, keyed(""))) as gateway,
        asyncio.TaskGroup() as group,
    ):
        first = group.create_task(ask(gateway, idempotency_key="one"))
        await upstream.received(1)
        again = group.create_task(ask(gateway, idempotency_key="one"))
        other = group.create_task(ask(gateway, key="omr_other", idempotency_key="one"))
        await upstream.received(2)  # the other key's request, and no third
        changed = await ask(gateway, {**ASK, "seed": 1}, idempotency_key="one")
        assert changed.status_code == 422
        hold.set()
        replies = await asyncio.gather(first, again, other)
        assert [reply.status_code for reply in replies] == [200, 200, 200]
        assert [r.headers.get("x-omniroute-idempotent") for r in replies] == [None, "true", None]
        assert len(upstream.requests) == 2


async def test_a_streamed_answer_is_repeated_byte_by_byte(tmp_path: Path) -> None:
    async with (
        scripted_upstream(WHOLE_STREAM) as upstream,
        running(tmp_path, lab(upstream.url, keyed(""))) as gateway,
    ):
        body = {**ASK, "stream": True}
        first = await ask(gateway, body, idempotency_key="s")
        again = await ask(gateway, body, idempotency_key="s")
        assert (again.text, again.headers["x-omniroute-idempotent"]) == (first.text, "true")
        assert len(upstream.requests) == 1


async def test_addresses_are_filtered_behind_trusted_proxies(tmp_path: Path) -> None:
    more = """
server: {trusted_proxies: [127.0.0.0/8]}
ip_filter: {mode: allow, allow: [10.0.0.0/8], apply_to: [inference]}
"""
    async with (
        scripted_upstream([answer(200, COMPLETION)]) as upstream,
        running(tmp_path, lab(upstream.url, keyed("", more))) as gateway,
    ):
        assert (await ask(gateway)).status_code == 403
        assert (await ask(gateway, x_forwarded_for="10.1.2.3")).status_code == 200
        assert (await ask(gateway, x_forwarded_for="10.1.2.3, 8.8.8.8")).status_code == 403


async def test_workers_share_their_limits(tmp_path: Path) -> None:
    async with scripted_upstream([answer(200, COMPLETION)]) as upstream:
        text = lab(upstream.url, keyed("rate_limit: {requests: 20/m}"))
        with served(tmp_path, text, "--workers", "2") as server:

            async def one() -> int:
                async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
                    headers = {"authorization": "Bearer omr_app"}
                    return (await client.post(CHAT, json=ASK, headers=headers)).status_code

            statuses = await asyncio.gather(*(one() for _ in range(60)))
    assert sorted(statuses) == [200] * 20 + [429] * 40


async def test_a_stream_that_broke_is_not_repeated(tmp_path: Path) -> None:
    broken: Script = [STREAM_HEAD, delta("Hel"), CUT]
    async with (
        scripted_upstream(broken) as upstream,
        running(tmp_path, lab(upstream.url, keyed(""))) as gateway,
    ):
        body = {**ASK, "stream": True}
        for _ in range(2):
            reply = await ask(gateway, body, idempotency_key="s")
            assert "x-omniroute-idempotent" not in reply.headers
        assert len(upstream.requests) == 2
