"""The tools' commands, and a folder in which each runs."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.running import served
from tests.tools.install import install
from tests.tools.told import FILE, Tool

DEADLINE_S = 90.0


@pytest.fixture(scope="session")
def commands() -> Path:
    return install()


class Desk:
    """A project that holds a file with a word nobody can guess, and a home without settings."""

    def __init__(self, folder: Path, commands: Path) -> None:
        self.word = secrets.token_hex(8)
        self.project = folder / "project"
        self.project.mkdir()
        (self.project / FILE).write_text(f"The word is {self.word}.\n")
        self._home = folder / "home"
        self._home.mkdir()
        self._commands = commands

    async def run(self, tool: Tool, url: str) -> str:
        """What the tool prints when it is asked through the gateway at `url`."""
        environment = {
            "PATH": f"{self._commands}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self._home),
            "TERM": "dumb",
            **tool.prepare(url, self._home),
        }
        process = await asyncio.create_subprocess_exec(
            self._commands / tool.command[0],
            *tool.command[1:],
            cwd=self.project,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(DEADLINE_S):
                printed, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = printed.decode()
        assert process.returncode == 0, text
        return text


@pytest.fixture
def desk(tmp_path: Path, commands: Path) -> Desk:
    return Desk(tmp_path, commands)


@asynccontextmanager
async def gateway(folder: Path, text: str) -> AsyncGenerator[str]:
    """The address of `omniroute serve`; whatever a tool calls a model is one model here."""
    home = folder / "gateway"
    home.mkdir()
    with served(home, text) as process:
        yield process.url
