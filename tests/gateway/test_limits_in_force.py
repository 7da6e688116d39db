"""Limits, budgets and policies in force, also in parallel, over workers and after kill -9."""

from __future__ import annotations

import asyncio
import signal
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running import Gateway, Served, running, served

BASE = """
version: 1
auth: {require_api_key: true}
keys:
  ci:
    # sk-ci
    hash: sha256:%s
    tags: {team: platform}
    rate_limit: {%s}
providers:
  echo:
    preset: echo
    models: {echo: {price: {input: 1000, output: 1000}}}
  cheap:
    preset: echo
    models: {echo: {price: {input: 1, output: 1}}}
"""


def text(limit: str = "", more: str = "") -> str:
    return BASE % (sha256(b"sk-ci").hexdigest(), limit) + more


async def ask(
    to: Gateway | httpx.AsyncClient, model: str = "echo/echo", **fields: Any
) -> httpx.Response:
    client = to.client if isinstance(to, Gateway) else to
    body = {"model": model, "messages": [{"role": "user", "content": "hello there"}], **fields}
    headers = {"Authorization": "Bearer sk-ci"}
    return await client.post("/v1/chat/completions", json=body, headers=headers)


def told(reply: httpx.Response) -> str:
    return reply.json()["error"]["message"]


async def test_a_limit_holds_for_requests_in_parallel(tmp_path: Path) -> None:
    async with running(tmp_path, text("requests: 5/m")) as gateway:
        replies = await asyncio.gather(*(ask(gateway) for _ in range(30)))
        codes = sorted(reply.status_code for reply in replies)
        assert codes == [200] * 5 + [429] * 25
        refused = next(reply for reply in replies if reply.status_code == 429)
        assert told(refused) == "limit of 5 requests per minute reached (key:ci)"
        assert 0 < int(refused.headers["retry-after"]) <= 60


async def test_a_limit_holds_across_kill_9(tmp_path: Path) -> None:
    config = text("requests: 5/m")
    with served(tmp_path, config) as first:
        async with httpx.AsyncClient(base_url=first.url) as client:
            codes = [(await ask(client)).status_code for _ in range(3)]
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(10)
    again = Served.start(tmp_path)
    async with httpx.AsyncClient(base_url=again.url) as client:
        codes += [(await ask(client)).status_code for _ in range(4)]
    again.end()
    assert codes == [200] * 5 + [429] * 2


async def test_workers_share_a_limit(tmp_path: Path) -> None:
    with served(tmp_path, text("requests: 20/m"), "--workers", "2") as server:
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=20) as client:

            async def patient() -> int:
                for _ in range(100):  # a worker may still be starting
                    try:
                        return (await ask(client)).status_code
                    except httpx.TransportError:
                        await asyncio.sleep(0.05)
                raise AssertionError("no worker answered")

            codes = await asyncio.gather(*(patient() for _ in range(60)))
        assert sorted(codes) == [200] * 20 + [429] * 40


@pytest.mark.parametrize("stream", [False, True])
async def test_a_budget_is_never_passed(tmp_path: Path, *, stream: bool) -> None:
    budget = "budgets: {all: {limit: 0.05, period: daily}}\n"
    async with running(tmp_path, text("", budget)) as gateway:
        replies = await asyncio.gather(
            *(ask(gateway, stream=stream, max_tokens=10) for _ in range(30))
        )
        codes = {reply.status_code for reply in replies}
        assert codes == {200, 402}
        rest = [await ask(gateway, stream=stream, max_tokens=10) for _ in range(10)]
        last = rest[-1]
        assert last.status_code == 402
        assert "budget 'all' (daily) has $0.05" in told(last)
        assert "and this request would have reserved $0.0" in told(last)
        assert "; it begins anew 20" in told(last)
        counter = gateway.runtime.snapshot.admission.book.meters["all"].counter(
            gateway.runtime.clock.now()
        )
        [balance] = await gateway.runtime.store.balances((counter,))
        assert 0 < balance.spent_nanousd <= 50_000_000
        assert balance.reserved_nanousd == 0


async def test_a_budget_can_degrade(tmp_path: Path) -> None:
    for scope in ("global", "{model: echo/echo}"):
        budget = f"""
budgets:
  all: {{scope: {scope}, limit: 0.00001, period: daily, action: degrade, degrade_to: cheap/echo}}
"""
        folder = tmp_path / scope.strip("{}").replace("/", "-").replace(": ", "-")
        folder.mkdir()
        async with running(folder, text("", budget)) as gateway:
            reply = await ask(gateway)
            assert reply.status_code == 200, reply.text
            assert reply.headers["x-omniroute-model"] == "cheap/echo"
            assert reply.headers["x-omniroute-warnings"] == "budget:all"


async def test_a_targets_budget_lets_a_combo_go_on(tmp_path: Path) -> None:
    more = """
combos:
  both: {targets: [echo/echo, cheap/echo], fallback_on: [budget]}
budgets:
  dear: {scope: {model: echo/echo}, limit: 0.00001}
"""
    async with running(tmp_path, text("", more)) as gateway:
        reply = await ask(gateway, "both")
        assert reply.status_code == 200, reply.text
        assert (reply.status_code, reply.headers["x-omniroute-model"]) == (200, "cheap/echo")
        alone = await ask(gateway)
        assert alone.status_code == 402, alone.text


async def test_policies_deny_route_and_warn(tmp_path: Path) -> None:
    more = """
policies:
  - {id: no-cheap, when: "request.model == 'cheap/echo'", action: deny, message: not that one}
  - {id: old, when: "request.model == 'echo/old'", action: warn, message: old}
  - {id: moved, when: "request.model == 'echo/old'", action: route, to: echo/echo}
"""
    async with running(tmp_path, text("", more)) as gateway:
        refused = await ask(gateway, "cheap/echo")
        assert (refused.status_code, told(refused)) == (403, "not that one")
        routed = await ask(gateway, "echo/old")
        assert routed.headers["x-omniroute-model"] == "echo/echo"
        assert routed.headers["x-omniroute-warnings"] == "policy:old"


async def test_only_listed_addresses_come_in(tmp_path: Path) -> None:
    more = "ip_filter: {mode: allow, allow: [10.0.0.0/8]}\n"
    async with running(tmp_path, text("", more)) as gateway:
        reply = await ask(gateway)
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "ip_denied")
