"""The wheel holds everything that serving needs, and nothing that runs by itself."""

from __future__ import annotations

import email
import os
import re
import site
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def names(wheel: Path) -> frozenset[str]:
    with zipfile.ZipFile(wheel) as archive:
        return frozenset(archive.namelist())


def test_tables_and_schemas_are_inside(names: frozenset[str]) -> None:
    for folder in ("translators", "schemas"):
        shipped = {Path(name).name for name in names if f"omniroute/_data/{folder}/" in name}
        assert shipped == {path.name for path in (ROOT / folder).iterdir() if path.is_file()}, (
            folder
        )


def test_every_tracked_module_and_data_file_is_inside(names: frozenset[str]) -> None:
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "omniroute").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sources <= names


def test_nothing_runs_at_install_or_at_interpreter_start(names: frozenset[str]) -> None:
    tops = {name.split("/", 1)[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"omniroute"}
    assert [name for name in names if name.endswith((".pth", "sitecustomize.py"))] == []


def test_metadata_says_what_users_need(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["License-File"] == "LICENSE"


def test_it_serves_from_a_folder_without_the_sources(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "omniroute.yaml").write_text("version: 1\nproviders: {echo: {preset: echo}}\n")
    # The wheel comes first on the path, so nothing of the checkout can stand in for what it lacks.
    paths = [str(installed), *site.getsitepackages()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-P", str(installed / "bin/omniroute"), "serve", "--port", "0"]
    with subprocess.Popen(  # noqa: S603 - our own command
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE
    ) as server:
        watchdog = threading.Timer(30, server.kill)  # a server that says nothing fails the test
        watchdog.start()
        try:
            url = wait_for_address(server)
            reply = httpx.post(
                f"{url}/v1/chat/completions",
                json={"model": "echo/echo", "messages": [{"role": "user", "content": "hello"}]},
                timeout=10,
                trust_env=False,
            )
        finally:
            server.terminate()
            code = server.wait()
            watchdog.cancel()
    assert reply.status_code == 200
    assert reply.json()["choices"][0]["message"]["role"] == "assistant"
    assert code == 0
    assert (tmp_path / ".omniroute").is_dir()


def wait_for_address(server: subprocess.Popen[bytes]) -> str:
    """The base URL that the server logs once it listens."""
    assert server.stderr is not None
    seen = b""
    for line in server.stderr:
        seen += line
        found = re.search(rb"listening on (http://[\d.]+:\d+)", line)
        if found:
            return found[1].decode()
    raise AssertionError(f"ended before it listened:\n{seen.decode()}")
