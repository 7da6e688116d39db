"""What a command loads: libraries and tables that only others need cost it nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import click

from omniroute.active.tables import read_tables, shipped_formats
from omniroute.base.data import data_dir
from omniroute.cli.main import COMMANDS, cli
from omniroute.translation.registry import load_formats
from tests.running import ECHO

HEAVY = {
    "duckdb",
    "httpx",
    "jsonschema",
    "numpy",
    "omniroute.translation.registry",
    "prometheus_client",
    "rich",
    "sanic",
    "uvloop",
    "valkey",
    "watchfiles",
}
RUN = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
from omniroute.cli.main import main
main()
"""
SERVE = """
import asyncio, json, socket, sys
from omniroute.active.load import Options, load
from omniroute.cli.serve import serve
from omniroute.http.edge import server
from omniroute.http.surface import routes
from omniroute.worker.runtime import Runtime

async def idle():
    options = Options(files=(sys.argv[1],), data_dir=sys.argv[2], port=0)
    runtime = await Runtime.open(options, load(options))
    running = await server.start(runtime, socket.create_server(("127.0.0.1", 0)), routes)
    await server.stop_gracefully(runtime, running)

asyncio.run(idle())
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def loaded(code: str, *arguments: str) -> set[str]:
    """The heavy libraries in a fresh process after `code`."""
    done = subprocess.run(  # noqa: S603 - the product itself
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return HEAVY.intersection(json.loads(done.stderr.splitlines()[-1]))


def test_help_loads_no_command() -> None:
    assert loaded(RUN, "--help") == set()


def test_a_check_needs_the_schema_alone(tmp_path: Path) -> None:
    """The tables, whose compiling takes longer than all else, are compiled with one's own alone."""
    file = tmp_path / "omniroute.yaml"
    file.write_text(ECHO)
    assert loaded(RUN, "check", str(file)) == {"jsonschema"}
    (tmp_path / "translators").mkdir()
    shutil.copy(data_dir("translators") / "ollama.yaml", tmp_path / "translators/mine.yaml")
    assert loaded(RUN, "check", str(file)) == {"jsonschema", "omniroute.translation.registry"}


def test_a_shipped_table_has_its_formats_name() -> None:
    assert sorted(load_formats(read_tables()).names()) == list(shipped_formats())


def test_an_idle_worker_has_what_it_serves_with(tmp_path: Path) -> None:
    """No database, no client of a shared store, no second transport, no vectors."""
    file = tmp_path / "omniroute.yaml"
    file.write_text(ECHO)
    found = loaded(SERVE, str(file), str(tmp_path / "data"))
    assert found.isdisjoint({"duckdb", "httpx", "numpy", "rich", "valkey"}), found


def test_the_list_says_what_each_command_says_of_itself() -> None:
    context = click.Context(cli)
    for name, listed in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.get_short_help_str(1000).rstrip(".") == listed.summary.rstrip(".")
