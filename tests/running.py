"""A real gateway for tests: in this process on an ephemeral port, or as `omniroute serve`."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Self

import httpx

from omniroute.active.load import Options, load
from omniroute.http.edge import server
from omniroute.http.surface import routes
from omniroute.worker.runtime import Runtime
from tests.ledger.ready import put_database

ECHO = """
version: 1
providers:
  echo: {preset: echo}
"""
DEADLINE_S = 20.0
"""Fails a wait loudly; nothing here takes nearly as long."""


class Gateway:
    """A running gateway and the folder that its configuration lives in."""

    def __init__(self, runtime: Runtime, folder: Path, url: str) -> None:
        self.runtime = runtime
        self.folder = folder
        self.url = url
        self.client = self.fresh_client()

    def fresh_client(self) -> httpx.AsyncClient:
        """A client with connections of its own."""
        return httpx.AsyncClient(base_url=self.url, timeout=DEADLINE_S)

    def save(self, text: str, name: str = "omniroute.yaml") -> None:
        """Write as editors do: a new file, renamed over the old one."""
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_suffix(".tmp")
        fresh.write_text(text)
        fresh.rename(target)

    async def until_generation(self, generation: int) -> None:
        """Wait until that many snapshots were activated."""
        await until(lambda: self.runtime.reloader.status.generation >= generation)

    async def until_failures(self, count: int) -> None:
        """Wait until that many reloads were refused."""
        await until(lambda: self.runtime.reloader.status.failed >= count)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that nobody announces; fails loudly when it does not come."""
    async with asyncio.timeout(DEADLINE_S):
        while not holds():  # noqa: ASYNC110 - what is waited for belongs to the product
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(
    folder: Path, text: str = ECHO, *, others: Mapping[str, str] | None = None
) -> AsyncGenerator[Gateway]:
    """Serve `text` from `folder`; `others` are further files, by their relative path."""
    for name, content in (others or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (folder / "omniroute.yaml").write_text(text)
    data = folder / "data"
    if not data.exists():
        put_database(data)
    options = Options(files=(str(folder / "omniroute.yaml"),), data_dir=str(data), port=0)
    listener = socket.create_server(("127.0.0.1", 0))
    runtime = await Runtime.open(options, load(options))
    gateway = Gateway(runtime, folder, f"http://127.0.0.1:{listener.getsockname()[1]}")
    running_server = await server.start(runtime, listener, routes)
    try:
        yield gateway
    finally:
        await gateway.client.aclose()
        await server.stop_gracefully(runtime, running_server)


class Served:
    """A `omniroute serve` process; its log is a file, so that it never waits for a reader."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self.log = log

    @classmethod
    def start(cls, folder: Path, *arguments: str, **env: str) -> Self:
        """Start it on `folder`'s omniroute.yaml and wait for the line that tells its address."""
        command = [
            sys.executable, "-m", "omniroute", "serve", "--port", "0",
            "-c", str(folder / "omniroute.yaml"), "--data-dir", str(folder / "data"), *arguments,
        ]  # fmt: skip
        log = folder / f"serve-{time.monotonic_ns()}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - the product itself
                command, stderr=out, env={**os.environ, **env}
            )
        ends = time.monotonic() + DEADLINE_S
        while time.monotonic() < ends and process.poll() is None:
            found = re.search(r"listening on (http://\S+)", log.read_text())
            if found:
                return cls(process, found[1], log)
            time.sleep(0.02)
        process.kill()
        raise AssertionError(f"serve did not start ({process.wait()}):\n{log.read_text()}")

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=DEADLINE_S)


@contextmanager
def served(folder: Path, text: str = ECHO, *arguments: str, **env: str) -> Generator[Served]:
    """`omniroute serve` for the length of a block."""
    (folder / "omniroute.yaml").write_text(text)
    process = Served.start(folder, *arguments, **env)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.end()
