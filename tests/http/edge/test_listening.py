"""How clients are let in."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import uvloop

from omniroute.http.edge.listening import Listening
from tests.running import running


async def test_a_client_that_left_before_it_was_let_in_holds_nobody_up(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        for _ in range(50):
            socket.create_connection(("127.0.0.1", port)).close()  # the loop does not run meanwhile
        async with asyncio.timeout(1):
            assert (await gateway.client.get("/healthz")).status_code == 200


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_no_event_of_a_stream_waits_for_the_last_one(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def entered() -> bool:
        made = asyncio.get_running_loop().create_future()

        class Entered(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                made.set_result(transport)

        listener = socket.create_server(("127.0.0.1", 0))
        listening = Listening(listener, Entered)
        with socket.create_connection(listener.getsockname()):
            transport: asyncio.Transport = await made
            found = transport.get_extra_info("socket")
            at_once = found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            transport.abort()
        listening.close()
        return bool(at_once)

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(entered())


async def test_out_of_descriptors_it_waits_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[str]:
        return [row.levelname for row in caplog.records if "no new connections" in row.message]

    async with running(tmp_path) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        await gateway.client.get("/healthz")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        clients = [socket.socket() for _ in range(8)]
        taken: list[int] = []
        try:
            most = max(client.fileno() for client in clients)
            resource.setrlimit(resource.RLIMIT_NOFILE, (most + 1, hard))
            for client in clients:  # a thread of the server's may have let one go meanwhile
                with suppress(OSError):  # what was free below
                    while True:
                        taken.append(os.dup(clients[0].fileno()))
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port))
                assert (await gateway.client.get("/healthz")).status_code == 200
                if told():
                    break
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for client in clients:
                client.close()
            for number in taken:
                os.close(number)
        async with httpx.AsyncClient(base_url=gateway.url) as late:
            assert (await late.get("/healthz")).status_code == 200
        assert told() == ["ERROR"]


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
