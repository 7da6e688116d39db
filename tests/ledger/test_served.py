"""The promise as a user sees it: `omniroute serve` is killed, no answered request is lost."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from omniroute.cli.main import cli
from omniroute.ledger.queries import open_ledger
from tests.chat import ASK, answer, lab
from tests.ledger.processes import scribes
from tests.running import Served, running, served, until
from tests.scripted import scripted_upstream

CLIENTS = 6
ANSWERS = 25
"""How many complete answers a client waits for before the kill."""


async def ask_until_killed(url: str, answered: set[str], enough: asyncio.Event) -> None:
    """Plain and streamed requests in turn; remembers the ids of those answered in full."""
    async with httpx.AsyncClient(base_url=url) as client:
        number = 0
        while True:
            number += 1
            body = {
                "model": "echo/echo",
                "stream": number % 2 == 0,
                "messages": [{"role": "user", "content": f"question {number}"}],
            }
            try:
                reply = await client.post("/v1/chat/completions", json=body)
            except httpx.TransportError:
                return
            assert reply.status_code == 200
            answered.add(reply.headers["x-request-id"])
            if number == ANSWERS:
                enough.set()


async def load_then_kill(server: Served) -> set[str]:
    answered: set[str] = set()
    enough = [asyncio.Event() for _ in range(CLIENTS)]
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for event in enough:
            group.create_task(ask_until_killed(server.url, answered, event))
        for event in enough:
            await event.wait()
        server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    await until(lambda: not scribes(server.log.parent / "data"))
    return answered


def stored_ids(*place: str) -> list[str]:
    result = CliRunner().invoke(
        cli, ["sql", *place, "SELECT request_id FROM requests", "--format", "csv"]
    )
    assert result.exception is None, result.exception
    assert result.stderr == ""
    return result.stdout.splitlines()[1:]


@pytest.mark.parametrize("restart", [True, False], ids=["after a restart", "by the command alone"])
async def test_kill_9_under_load_loses_no_answered_request(
    tmp_path: Path, *, restart: bool
) -> None:
    with served(tmp_path) as server:
        answered = await load_then_kill(server)
    if restart:
        with served(tmp_path) as server:
            answered |= await load_then_kill(server)
    stored = stored_ids("--data-dir", str(tmp_path / "data"))
    assert len(stored) == len(set(stored))
    assert answered - set(stored) == set()
    assert len(answered) >= CLIENTS * ANSWERS


def mapped(server: Served) -> str:
    """What files the server's process has in memory."""
    return Path(f"/proc/{server.process.pid}/maps").read_text()


async def test_sql_beside_a_running_server_counts_every_answer(tmp_path: Path) -> None:
    """Whose own rows go another way: through a process that has DuckDB in its stead."""
    with served(tmp_path) as server:
        async with httpx.AsyncClient(base_url=server.url) as client:
            for number in range(1, 6):
                body = {"model": "echo/echo", "messages": [{"role": "user", "content": "hello"}]}
                reply = await client.post("/v1/chat/completions", json=body)
                # Its folder is the command line's: the configuration knows nothing of it.
                stored = await asyncio.to_thread(stored_ids, "-c", f"{tmp_path}/omniroute.yaml")
                assert reply.headers["x-request-id"] in stored
                assert len(stored) == number
        await until(lambda: scribes(tmp_path / "data") != [])
        assert "duckdb" not in await asyncio.to_thread(mapped, server)
        assert server.end() == 0
        assert scribes(tmp_path / "data") == []


async def test_why_the_first_candidate_did_not_serve_is_a_class(tmp_path: Path) -> None:
    more = "combos: {both: {targets: [lab/m, echo/echo]}}\nresilience: {retry: {attempts: 0}}\n"
    async with (
        scripted_upstream([answer(503, {"error": {"message": "down today"}})]) as upstream,
        running(tmp_path, lab(upstream.url, more, "  echo: {preset: echo}")) as gateway,
    ):
        await gateway.client.post("/v1/chat/completions", json={**ASK, "model": "both"})
    with open_ledger(tmp_path / "data", patience_s=5) as database:
        rows = database.execute(
            "SELECT fallback_reason, reason FROM requests JOIN attempts USING (request_id) "
            "WHERE n = 1"
        ).fetchall()
    assert rows == [("unavailable", "down today")]
