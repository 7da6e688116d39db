"""How clients are let in."""

from __future__ import annotations

import asyncio
import resource
import socket
from pathlib import Path

import httpx
import pytest

from tests.running import DEADLINE_S, running


async def test_a_client_that_left_before_it_was_let_in_holds_nobody_up(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        for _ in range(50):
            socket.create_connection(("127.0.0.1", port)).close()  # the loop does not run meanwhile
        async with asyncio.timeout(1):
            assert (await gateway.client.get("/healthz")).status_code == 200


async def test_out_of_descriptors_it_waits_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        await gateway.client.get("/healthz")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        client = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1, hard))
            assert (await gateway.client.get("/healthz")).status_code == 200
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            client.close()
        async with httpx.AsyncClient(base_url=gateway.url) as late:
            assert (await late.get("/healthz")).status_code == 200
        assert [row.levelname for row in caplog.records if "no new connections" in row.message] == [
            "ERROR"
        ]


async def test_more_clients_than_one_turn_lets_in_are_all_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
        for client in clients:
            client.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            client.setblocking(False)
        loop = asyncio.get_running_loop()
        answers = await asyncio.gather(*(loop.sock_recv(client, 4096) for client in clients))
        assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
        for client in clients:
            client.close()
