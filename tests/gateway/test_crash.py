"""`kill -9` in the middle of load: what was answered is in the database, once."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import duckdb
import httpx

from tests.running import ECHO, Served, served

CLIENTS = 8


async def load(url: str, answered: set[str], enough: asyncio.Event) -> None:
    """Ask until the server is gone; remember which answers were seen to their end."""
    async with httpx.AsyncClient(base_url=url) as client:

        async def one(number: int) -> None:
            for count in range(10_000):
                name = f"r-{number}-{count}"
                body = {
                    "model": "echo/echo",
                    "stream": count % 2 == 0,
                    "messages": [{"role": "user", "content": "hello there"}],
                }
                try:
                    reply = await client.post(
                        "/v1/chat/completions", json=body, headers={"X-Request-Id": name}
                    )
                except httpx.TransportError:
                    return
                if reply.status_code == 200 and (
                    count % 2 or reply.text.endswith("data: [DONE]\n\n")
                ):
                    answered.add(name)
                if len(answered) > 300:
                    enough.set()

        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(one(number))


async def test_every_answered_request_is_in_the_ledger_once(tmp_path: Path) -> None:
    answered: set[str] = set()
    with served(tmp_path, ECHO) as server:
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(load(server.url, answered, enough))
            async with asyncio.timeout(30):
                await enough.wait()
            server.process.send_signal(signal.SIGKILL)
        server.process.wait(10)
    again = Served.start(tmp_path)
    assert again.end() == 0  # it drains what it finds, at the latest when it stops
    with duckdb.connect(str(tmp_path / "data" / "usage.duckdb"), read_only=True) as database:
        rows = database.execute("SELECT request_id, count(*) FROM requests GROUP BY 1").fetchall()
    counts = dict(rows)
    assert {name: counts.get(name) for name in answered} == dict.fromkeys(answered, 1)
    assert len(answered) > 300
