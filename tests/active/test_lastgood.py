"""Broken files at a start: what was served before is served on, loudly."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from omniroute.active.lastgood import FILE, bundle_of, keep_good
from omniroute.active.load import Options, RejectedError, load, load_or_last_good
from tests.running import DEADLINE_S, ECHO, running, served, until

BROKEN = "version: 1\nproviders: [\n"
OPEN = ECHO + "auth: {dashboard: {require_login: false}}\n"


async def test_every_file_that_took_part_is_kept_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", "sk-not-to-be-kept")
    lab = "providers: {lab: {preset: openai, connections: {a: {api_key: '${env:LAB_KEY}'}}}}\n"
    others = {"teams/a.yaml": lab}
    text = ECHO + "include: [teams/*.yaml]\n"
    async with running(tmp_path, text, others=others) as gateway:
        served_digest = gateway.runtime.snapshot.digest
    kept = tmp_path / "data" / FILE
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "sk-not-to-be-kept" not in kept.read_text()
    (tmp_path / "teams" / "a.yaml").unlink()
    (tmp_path / "omniroute.yaml").write_text(BROKEN)
    options = Options(
        files=(str(tmp_path / "omniroute.yaml"),), data_dir=str(tmp_path / "data"), port=0
    )
    loaded = load_or_last_good(options)
    assert (loaded.snapshot.digest, set(loaded.snapshot.outlets)) == (
        served_digest,
        {"echo/default", "lab/a"},
    )
    assert isinstance(loaded.refused, RejectedError)


@pytest.mark.parametrize("broken", ["\n  x: [", "\nno_such_key: 1"])
def test_it_is_found_where_only_the_broken_file_says(tmp_path: Path, broken: str) -> None:
    file = tmp_path / "omniroute.yaml"
    text = OPEN + "server: {data_dir: 'of/ours'}  # relative to this file"
    file.write_text(text)
    options = Options(files=(str(file),))
    first = load(options)
    (tmp_path / "of" / "ours").mkdir(parents=True)
    keep_good(Path(first.server.data_dir), bundle_of(options.files, first.inspected))
    file.write_text(text + broken)
    kept = load_or_last_good(options)
    assert (kept.snapshot.digest, kept.refused is None) == (first.snapshot.digest, False)


def test_what_was_kept_of_other_files_is_not_served(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / FILE).write_text('{"files": ["/else.yaml"], "sources": {}, "tables": {}}')
    (tmp_path / "omniroute.yaml").write_text(BROKEN)
    options = Options(files=(str(tmp_path / "omniroute.yaml"),), data_dir=str(tmp_path / "data"))
    with pytest.raises(RejectedError):
        load_or_last_good(options)


def test_a_restart_on_broken_files_serves_on_and_follows_their_mending(tmp_path: Path) -> None:
    with served(tmp_path, OPEN) as server:
        assert server.end() == 0
    with served(tmp_path, BROKEN) as server:
        assert "SERVING THE LAST GOOD CONFIGURATION" in server.log.read_text()
        told = httpx.get(f"{server.url}/api/config").json()["reload"]
        assert told["ok"] is False
        assert [row["severity"] for row in told["diagnostics"]] == ["error"]
        figures = httpx.get(f"{server.url}/metrics").text
        assert 'omniroute_config_last_reload_successful{worker="0"} 0.0' in figures
        (tmp_path / "omniroute.yaml").write_text(OPEN)
        asyncio.run(until(lambda: httpx.get(f"{server.url}/api/config").json()["reload"]["ok"]))
        assert server.end() == 0
    (tmp_path / "omniroute.yaml").write_text(BROKEN)
    command = [
        sys.executable, "-m", "omniroute", "serve", "--strict", "--port", "0",
        "-c", str(tmp_path / "omniroute.yaml"), "--data-dir", str(tmp_path / "data"),
    ]  # fmt: skip
    refused = subprocess.run(  # noqa: S603 - the product itself
        command, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert (refused.returncode, "omniroute.yaml:3" in refused.stderr) == (1, True)


async def test_a_worker_is_replaced_while_the_file_is_broken_or_gone(tmp_path: Path) -> None:
    with served(tmp_path, ECHO, "--workers", "2") as server:
        log = server.log
        await until(lambda: log.read_text().count("listening on") >= 2)
        (tmp_path / "omniroute.yaml").unlink()
        workers = psutil.Process(server.process.pid).children()
        next(one for one in workers if "serve" in one.cmdline()).kill()
        await until(lambda: log.read_text().count("listening on") >= 3)
        assert "SERVING THE LAST GOOD CONFIGURATION" in log.read_text()
        assert server.end() == 0
