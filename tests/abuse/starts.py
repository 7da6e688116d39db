"""Starts under fire: clients that ask, and that only connect, from the first instant."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from tests.abuse.attack import Verdict

SLOWEST_S: Final = 1.0
"""No request may take longer, from its connection on."""
GRACE_S: Final = 2
END_S: Final = GRACE_S + 10.0
"""Within this TERM has ended everything; it takes a fraction of it."""
START_S: Final = 60.0
ROUNDS: Final = 20
"""Requests after the first that was answered, each behind a connection that says nothing."""
CONFIG: Final = f"""
version: 1
server: {{shutdown_grace: {GRACE_S}s}}
providers:
  echo: {{preset: echo}}
"""


class Start(Struct, frozen=True, kw_only=True):
    """What one start showed; empty `broke` means that it held."""

    slowest_s: float
    ended_s: float
    broke: tuple[str, ...]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def start_and_end(folder: Path, *, workers: int) -> Start:
    """Start `omniroute serve`, ask it from the first instant, end it by TERM."""
    (folder / "omniroute.yaml").write_text(CONFIG)
    port = free_port()
    log = folder / "serve.log"
    command = [
        sys.executable, "-m", "omniroute", "serve", "-c", str(folder / "omniroute.yaml"),
        "--data-dir", str(folder / "data"), "--port", str(port), "--workers", str(workers),
    ]  # fmt: skip
    with log.open("wb") as out:
        process = subprocess.Popen(command, stderr=out, stdout=out)  # noqa: S603 - the product
    try:
        broke, slowest_s = _ask(process, port)
        asked = time.monotonic()
        process.terminate()
        try:
            code = process.wait(END_S)
        except subprocess.TimeoutExpired:
            broke.append(f"TERM had not ended it after {END_S:.0f} s")
        else:
            if code != 0:
                broke.append(f"it ended with {code}: {log.read_text()[-500:]}")
        ended_s = time.monotonic() - asked
    finally:
        process.kill()
        process.wait()
    if "starting another" in log.read_text().partition("stopping")[2]:
        broke.append("a worker was started after TERM")
    return Start(slowest_s=slowest_s, ended_s=ended_s, broke=tuple(broke))


def attack(folder: Path, count: int) -> Iterator[Verdict]:
    """A verdict for each start that broke, and one for all; every third has two workers."""
    held = 0
    slowest_s = ended_s = 0.0
    for number in range(count):
        workers = 2 if number % 3 == 2 else 1
        own = folder / f"start-{number}"
        own.mkdir()
        one = start_and_end(own, workers=workers)
        held += not one.broke
        slowest_s, ended_s = max(slowest_s, one.slowest_s), max(ended_s, one.ended_s)
        for words in one.broke:
            name = f"starts: number {number} with {workers} workers"
            yield Verdict(name=name, held=False, figure=words)
    yield Verdict(
        name="starts: under fire",
        held=held == count,
        figure=f"{held} of {count}; longest request {slowest_s:.3f} s, longest end {ended_s:.1f} s",
    )


def _ask(process: subprocess.Popen[bytes], port: int) -> tuple[list[str], float]:
    """What went wrong, and the longest request."""
    slowest_s, answered = 0.0, 0
    give_up = time.monotonic() + START_S
    while answered < ROUNDS:
        if process.poll() is not None or time.monotonic() > give_up:
            return ["it did not start"], slowest_s
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=SLOWEST_S).close()
        took_s = _request(port)
        if took_s is None:
            if answered:
                return ["a connection was refused after it had started"], slowest_s
            time.sleep(0.005)  # the processor is the server's, to start on
            continue
        answered += 1
        slowest_s = max(slowest_s, took_s)
        if took_s > SLOWEST_S:
            return [f"a request took {took_s:.1f} s"], slowest_s
    return [], slowest_s


def _request(port: int) -> float | None:
    """Seconds from the connection to the answer, None when nobody listens yet."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=SLOWEST_S * 2)
    started = time.monotonic()
    try:
        client.connect()
    except OSError:
        return None
    try:
        client.request("GET", "/healthz")
        client.getresponse().read()
    except OSError:
        return SLOWEST_S * 2
    finally:
        client.close()
    return time.monotonic() - started
