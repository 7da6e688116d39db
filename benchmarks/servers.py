"""The servers under test as child processes: pinned, ready before use, measured as a whole tree."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

from benchmarks.payload import MODEL, Asks

CommandFor = Callable[[int], list[str]]
"""The command of a server on a port."""
_HERE = Path(__file__).parent
_TICKS = os.sysconf("SC_CLK_TCK")
KEY = "bench-key-0123456789abcdef0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Server:
    """A running subject. `model` is what a client has to ask for."""

    name: str
    port: int
    model: str
    process: subprocess.Popen[bytes]
    asks: Asks = "chat"

    def cpu_s(self) -> float:
        """Processor time used so far by the process and all that it started."""
        return sum(_cpu_s(pid) for pid in _tree(self.process.pid))

    def rss_mib(self) -> float:
        """Resident memory of the process and all that it started; shared pages count each time."""
        return sum(_rss_kib(pid) for pid in _tree(self.process.pid)) / 1024


def _tree(root: int) -> list[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue  # ended while we were listing
            parents[int(entry.name)] = int(stat.rsplit(")", 1)[1].split()[1])
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _rss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextmanager
def started(
    name: str,
    command_for: CommandFor,
    *,
    model: str = MODEL,
    core: int | None,
    log: Path,
) -> Generator[Server]:
    """Start a subject on a free port and on `core`, in a group of its own; end it on leaving."""
    port = free_port()
    command = command_for(port)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*pinned(core), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_environment(),
            start_new_session=True,
        )
    try:
        _wait_until_listening(process, port, log)
        yield Server(name, port, model, process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def pinned(core: int | None) -> list[str]:
    """The command prefix that keeps a process on `core`; empty where that cannot be done."""
    taskset = shutil.which("taskset")
    return [taskset, "-c", str(core)] if taskset and core is not None else []


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up_at = time.monotonic() + 30
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.005)
        else:
            return
    raise RuntimeError(f"no answer on port {port}:\n{log.read_text()[-2000:]}")


def upstream_command(port: int) -> list[str]:
    return [sys.executable, "-m", "benchmarks.upstream", str(port)]


def sanic_command(port: int) -> list[str]:
    return [sys.executable, "-m", "benchmarks.bare_sanic", str(port)]


def find_nginx() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def nginx_command(port: int, upstream_port: int, folder: Path) -> list[str]:
    nginx = find_nginx()
    if nginx is None:
        raise FileNotFoundError("nginx is not installed")
    folder.mkdir()
    conf = folder / "nginx.conf"
    values = {"port": port, "upstream_port": upstream_port, "folder": folder}
    conf.write_text(Template((_HERE / "nginx.conf").read_text()).substitute(values))
    return [nginx, "-c", str(conf), "-e", str(folder / "error.log")]


_CONDITIONS = (
    "tags.env == 'prod' && starts_with(request.model, 'cc/')",
    "request.model == 'smart' && (now.hour < `8` || now.hour >= `20`)",
    "tags.team == 'interns'",
    "usage.input_tokens_estimate > `100000`",
    "request.stream && request.format == 'gemini'",
)
"""Of policies, so that none of them takes part."""


def omniroute_command(
    port: int, upstream_port: int, folder: Path, *, file: str = "omniroute.yaml"
) -> list[str]:
    """`omniroute serve` with all that a deployment has on: a key, the ledger, reload."""
    folder.mkdir()
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    policies = (
        f'  - {{id: p{number}, when: "{_CONDITIONS[number % len(_CONDITIONS)]}", action: deny}}'
        for number in range(20)
    )
    values = {
        "port": port,
        "upstream_port": upstream_port,
        "folder": folder / "data",
        "digest": digest,
        "policies": "\n".join(policies),
    }
    conf = folder / "omniroute.yaml"
    conf.write_text(Template((_HERE / file).read_text()).substitute(values))
    return [sys.executable, "-m", "omniroute", "serve", "-c", str(conf)]


def count_ledger_rows(folder: Path) -> int:
    """What the ledger holds by now; waits, bounded, for the drainer to go quiet."""
    query = "SELECT count(*) AS n FROM requests"
    command = [sys.executable, "-m", "omniroute", "sql", "--format", "csv", query]
    command += ["-c", str(folder / "omniroute.yaml")]
    rows, before = -1, -2
    for _ in range(30):
        if rows == before:
            break
        time.sleep(1)
        reply = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=_environment())
        before, rows = rows, int(reply.stdout.split()[-1])
    return rows


def _environment() -> dict[str, str]:
    return {**os.environ, "BENCH_UPSTREAM_KEY": "sk-bench-upstream"}


OMNIROUTE_MODEL = f"provider/{MODEL}"
