"""How a server ends: running streams may finish, long ones are cut, nothing is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import duckdb
import httpx
import pytest

from tests.chat import ASK, STREAM_HEAD, WHOLE_STREAM, delta, lab
from tests.running import DEADLINE_S, ECHO, Served, served, until
from tests.scripted import HANG, Script, scripted_upstream

STREAM = {**ASK, "stream": True}


def rows(folder: Path) -> list[tuple[int, str | None]]:
    with duckdb.connect(str(folder / "data" / "usage.duckdb"), read_only=True) as database:
        return database.execute("SELECT status, error_class FROM requests").fetchall()


async def wait(server: Served) -> int:
    return await asyncio.to_thread(server.process.wait, DEADLINE_S)


async def test_a_running_stream_finishes_after_term(tmp_path: Path) -> None:
    hold = asyncio.Event()
    script: Script = [STREAM_HEAD, delta("Hel"), hold, *WHOLE_STREAM[2:]]
    async with scripted_upstream(script) as upstream:
        with served(tmp_path, lab(upstream.url)) as server:
            async with (
                httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_S) as client,
                client.stream("POST", "/v1/chat/completions", json=STREAM) as reply,
            ):
                lines = reply.aiter_lines()
                await anext(lines)
                server.process.send_signal(signal.SIGTERM)
                await until(lambda: "stopping" in server.log.read_text())
                with pytest.raises(httpx.ConnectError):
                    async with httpx.AsyncClient(base_url=server.url) as late:
                        await late.get("/healthz")
                hold.set()
                assert [line async for line in lines if line][-1] == "data: [DONE]"
            assert await wait(server) == 0
    assert rows(tmp_path) == [(200, None)]


async def test_a_stream_beyond_the_grace_is_cut(tmp_path: Path) -> None:
    script: Script = [STREAM_HEAD, delta("Hel"), HANG]
    async with scripted_upstream(script) as upstream:
        text = lab(upstream.url, "server: {shutdown_grace: 200ms}\n")
        with served(tmp_path, text) as server:
            async with (
                httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_S) as client,
                client.stream("POST", "/v1/chat/completions", json=STREAM) as reply,
            ):
                lines = reply.aiter_lines()
                await anext(lines)
                server.process.send_signal(signal.SIGTERM)
                with pytest.raises(httpx.RemoteProtocolError):
                    assert "data: [DONE]" not in [line async for line in lines]
            assert await wait(server) == 0
    assert rows(tmp_path) == [(499, "client_closed")]


def test_hup_reloads(tmp_path: Path) -> None:
    text = "version: 1\nreload: {watch: false}\nproviders: {echo: {preset: echo}}\n"
    with served(tmp_path, text) as server:
        (tmp_path / "omniroute.yaml").write_text(text.replace("echo: {", "second: {"))
        server.process.send_signal(signal.SIGHUP)
        asyncio.run(until(lambda: "is active (SIGHUP)" in server.log.read_text()))
        names = [row["id"] for row in httpx.get(f"{server.url}/v1/models").json()["data"]]
        assert "second/echo" in names
        assert {name.partition("/")[0] for name in names} == {"second"}


HUP_WHILE_IMPORTING = """
import os, signal, sys
from omniroute.cli.main import main

class HangUp:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "omniroute.http.edge.server":
            os.kill(os.getpid(), signal.SIGHUP)

sys.meta_path.insert(0, HangUp)
sys.argv = ["omniroute", "serve", "-c", sys.argv[1]]
main()
"""


def test_hup_while_it_starts_is_harmless(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HUP_WHILE_IMPORTING, str(tmp_path / "none.yaml")]
    ended = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - the product
    assert (ended.returncode, b"none.yaml" in ended.stderr) == (2, True)


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    text = "version: 1\nproviders: {echo: {preset: echo}}\n"
    with served(tmp_path, text, "--workers", "2") as server:
        asyncio.run(until(lambda: server.log.read_text().count("listening on") >= 2))
        listed = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
        workers = [
            int(pid)
            for pid in listed.split()
            if b"\0serve\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        os.kill(workers[0], signal.SIGKILL)
        asyncio.run(until(lambda: server.log.read_text().count("listening on") >= 3))
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        assert server.end() == 0


@pytest.mark.parametrize(
    ("text", "arguments", "code", "said"),
    [
        pytest.param("version: 1\nprovders: {}\n", [], 1, "did you mean", id="a typo"),
        pytest.param(ECHO, ["--port", "TAKEN"], 2, "cannot listen on", id="port taken"),
        pytest.param(ECHO, ["--host", "0.0.0.0"], 1, "no API key", id="open to all"),  # noqa: S104 - what is refused
        pytest.param(ECHO, ["--workers", "many"], 2, "--workers", id="no number"),
        pytest.param(ECHO, ["--data-dir", "omniroute.yaml/x"], 1, "data folder", id="data"),
        pytest.param("version: 1\n", [], 1, "OR520", id="nothing to serve"),
        pytest.param(None, [], 2, "omniroute init", id="no file"),
    ],
)
def test_what_cannot_be_served_is_told_without_a_traceback(
    tmp_path: Path, text: str | None, arguments: list[str], code: int, said: str
) -> None:
    if text is not None:
        (tmp_path / "omniroute.yaml").write_text(text)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = [word.replace("TAKEN", str(taken.getsockname()[1])) for word in arguments]
        done = subprocess.run(  # noqa: S603 - the product itself
            [sys.executable, "-m", "omniroute", "serve", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
