"""Connections to providers over many reloads: kept while they are used, then let go."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.faults.lab import DONE, TEXT, WHOLE, ask, piece
from tests.running import Gateway, running
from tests.scripted import (
    LAST_CHUNK,
    Recorded,
    Script,
    chunk,
    chunked_head,
    respond,
    scripted_upstream,
)

RELOADS = 25


def declared(client: str, port: int, user: int) -> str:
    """A provider behind a proxy; another user of the proxy is another set of connections."""
    return f"""
version: 1
providers:
  p:
    format: openai-chat
    base_url: http://127.0.0.1:9/v1
    client: {client}
    proxy: http://u{user}:word@127.0.0.1:{port}
    allow_private_network: true
    models: {{m: {{}}}}
reload: {{watch: false}}
"""


async def reload(gateway: Gateway, text: str) -> None:
    gateway.save(text)
    status = await gateway.runtime.reloader.reload("test")
    assert status.failed == 0


@pytest.mark.parametrize("client", ["fast", "httpx"])
async def test_many_reloads_leave_no_connection_behind(tmp_path: Path, client: str) -> None:
    async with (
        scripted_upstream([respond(WHOLE)]) as proxy,
        running(tmp_path, declared(client, proxy.port, 0)) as gateway,
    ):
        for user in range(1, RELOADS + 1):
            for _ in range(2):  # the second time shows that a connection is kept
                reply = await gateway.client.post(
                    "/v1/chat/completions", json=ask("p/m", stream=False)
                )
                assert reply.status_code == 200, reply.text
            await reload(gateway, declared(client, proxy.port, user))
        await proxy.closed(RELOADS)
        assert proxy.connections == RELOADS


@pytest.mark.parametrize("client", ["fast", "httpx"])
async def test_a_reload_lets_running_answers_end(tmp_path: Path, client: str) -> None:
    hold = asyncio.Event()

    def serve(request: Recorded) -> Script:
        if not request.json()["stream"]:
            return [respond(WHOLE)]
        rest = [chunk(piece(TEXT) + piece(None, finish="stop") + DONE), LAST_CHUNK]
        return [chunked_head(), chunk(piece("first")), hold, *rest]

    async with (
        scripted_upstream(serve) as proxy,
        running(tmp_path, declared(client, proxy.port, 0)) as gateway,
        gateway.client.stream(
            "POST", "/v1/chat/completions", json=ask("p/m", stream=True)
        ) as streamed,
    ):
        for user in (1, 2):
            await reload(gateway, declared(client, proxy.port, user))
        body = ask("p/m", stream=False)
        assert (await gateway.client.post("/v1/chat/completions", json=body)).status_code == 200
        assert (proxy.connections, proxy.ended) == (2, 0)
        hold.set()
        text = (await streamed.aread()).decode()
        assert "first" in text
        assert TEXT in text
        assert '"error"' not in text
        await proxy.closed(1)
        assert proxy.ended == 1  # the one of the first configuration; the other rests
