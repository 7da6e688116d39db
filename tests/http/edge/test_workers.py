"""A parent and its workers: how they end, and what survives whom."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from tests.running import DEADLINE_S, ECHO, Served, served, until

QUICK = ECHO + "server: {shutdown_grace: 100ms}\n"


def family(server: Served) -> list[psutil.Process]:
    """Its workers and its store."""
    return psutil.Process(server.process.pid).children(recursive=True)


def workers(server: Served) -> list[psutil.Process]:
    return [one for one in family(server) if "serve" in one.cmdline()]


def is_importing(worker: psutil.Process) -> bool:
    """Whether a new one has begun; it needs ten times as long before it can take a signal."""
    return worker.cpu_times().user > 0.1


async def listening(server: Served, count: int) -> None:
    await until(lambda: server.log.read_text().count("listening on") >= count)


async def test_workers_and_store_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    with served(tmp_path, QUICK, "--workers", "2") as server:
        await listening(server, 2)
        left = family(server)
        assert len(left) == 3
        server.end(signal.SIGKILL)
        gone, alive = psutil.wait_procs(left, timeout=DEADLINE_S)
        assert (len(gone), alive) == (3, [])
    assert Served.start(tmp_path, "--workers", "2").end() == 0


async def test_a_worker_that_does_not_end_is_killed_after_the_grace(tmp_path: Path) -> None:
    with served(tmp_path, QUICK, "--workers", "2") as server:
        await listening(server, 2)
        stuck = workers(server)[0]
        stuck.suspend()
        assert server.end() == 1
        assert "killing 1 workers" in server.log.read_text()
        assert not stuck.is_running()


async def test_no_worker_is_started_after_term(tmp_path: Path) -> None:
    with served(tmp_path, QUICK, "--workers", "2") as server:
        await listening(server, 2)
        workers(server)[0].kill()
        await until(lambda: "starting another" in server.log.read_text())
        assert server.end() == 0
        log = server.log.read_text()
        assert log.count("listening on") == 2


async def test_workers_keep_what_the_parent_began_with(tmp_path: Path) -> None:
    with served(tmp_path, QUICK, "--workers", "2") as server:
        await listening(server, 2)
        text = QUICK.replace("{shutdown_grace: 100ms}", f"{{data_dir: {tmp_path / 'other'}}}")
        (tmp_path / "omniroute.yaml").write_text(text)
        await until(lambda: server.log.read_text().count("is active") >= 2)
        old = set(family(server))
        workers(server)[0].kill()
        await until(lambda: any(is_importing(one) for one in set(family(server)) - old))
        server.process.send_signal(signal.SIGHUP)
        await listening(server, 3)
        assert server.log.read_text().count("starting another") == 1
        await until(lambda: server.log.read_text().count("(SIGHUP)") == 2)
        assert server.end() == 0
    assert not (tmp_path / "other").exists()


def test_a_data_folder_belongs_to_one_server(tmp_path: Path) -> None:
    with served(tmp_path, ECHO) as server:
        command = [
            sys.executable, "-m", "omniroute", "serve", "--port", "0",
            "-c", str(tmp_path / "omniroute.yaml"), "--data-dir", str(tmp_path / "data"),
        ]  # fmt: skip
        second = subprocess.run(  # noqa: S603 - the product itself
            command, capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )
        assert second.returncode == 1
        assert (
            f"another server (process {server.process.pid}) uses the data folder" in second.stderr
        )
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
    assert Served.start(tmp_path).end() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_is_written_is_the_owner_s_alone(tmp_path: Path, workers: str) -> None:
    with served(tmp_path, ECHO, "--workers", workers) as server:
        body = {"model": "echo/echo", "messages": [{"role": "user", "content": "hi"}]}
        assert httpx.post(f"{server.url}/v1/chat/completions", json=body).status_code == 200
        assert server.end() == 0
    data = tmp_path / "data"
    assert (data / "usage.duckdb").exists()
    wide = [path for path in (data, *data.rglob("*")) if path.stat().st_mode & 0o077]
    assert wide == []
