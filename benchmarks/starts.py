"""How long the product takes to begin: the first answer of a server, and the commands of a CI."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import servers

_TIMES = 5
_CONFIG = "version: 1\nproviders:\n  echo: {preset: echo}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """Medians of several starts, in seconds and MiB."""

    first_answer_s: float
    rss_mib: float
    check_s: float
    help_s: float


def measure_starts(*, core: int | None) -> Starts:
    """Start a server with the built-in provider, and commands, one after the other."""
    with tempfile.TemporaryDirectory(prefix="omniroute-bench-") as name:
        folder = Path(name)
        config = folder / "omniroute.yaml"
        config.write_text(_CONFIG)
        omniroute = [*servers.pinned(core), sys.executable, "-m", "omniroute"]
        served = [_serve(core, config, folder / "log") for _ in range(_TIMES)]
        return Starts(
            first_answer_s=median(seconds for seconds, _ in served),
            rss_mib=median(rss for _, rss in served),
            check_s=_time_of(lambda: _run([*omniroute, "check", str(config)])),
            help_s=_time_of(lambda: _run([*omniroute, "--help"])),
        )


def _serve(core: int | None, config: Path, log: Path) -> tuple[float, float]:
    began = time.perf_counter()
    command = [sys.executable, "-m", "omniroute", "serve", "-c", str(config), "--port"]
    with servers.started("start", lambda port: [*command, str(port)], core=core, log=log) as one:
        return time.perf_counter() - began, one.rss_mib()


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _time_of(work: Callable[[], None]) -> float:
    times: list[float] = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return median(times)
