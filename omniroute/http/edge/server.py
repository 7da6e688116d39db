"""One worker: run the application on a socket until it is told to stop, then drain."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Sequence
from typing import Any, Final, cast

import uvloop
from sanic.server.async_server import AsyncioServer

from omniroute.active.load import Loaded, Options
from omniroute.http.edge.app import build_app
from omniroute.http.edge.routes import Route
from omniroute.worker.runtime import Runtime

_log = logging.getLogger("omniroute.server")

BACKLOG: Final = 2048
"""Connections that wait to be accepted: a burst must not meet refusals."""
ACCEPTS_PER_TURN: Final = 16
"""libuv accepts one connection per socket and turn of the loop. Under load a turn is long, and the
last of five hundred new clients waited for seconds; the same socket listened on several times lets
several in at each turn."""
DRAIN_STEP_S: Final = 0.05


def run(options: Options, first: Loaded, listener: socket.socket, routes: Sequence[Route]) -> int:
    """Serve until TERM or INT; the exit code."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(options, first, listener, routes))


async def _run(
    options: Options, first: Loaded, listener: socket.socket, routes: Sequence[Route]
) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    runtime = await Runtime.open(options, first)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, runtime.request_reload, "SIGHUP")
    host, port = listener.getsockname()[:2]
    serving = await start(runtime, listener, routes, touchup=True)
    _settle_collector()
    _log.info("listening on http://%s:%s (config %s)", host, port, runtime.snapshot.digest)
    await stop.wait()
    await stop_gracefully(runtime, serving)
    return 0


def _settle_collector() -> None:
    """Keep what lives as long as the process out of the cycle collector's way.

    Modules, tables and prices are some hundred thousand objects; walking them, and stopping every
    700 allocations to look, took a tenth of a request's time. Requests leave hardly any cycles, so
    looking less often costs a few megabytes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


class Serving:
    """The listening sockets of one worker, all of them the same socket."""

    def __init__(self, servers: list[AsyncioServer]) -> None:
        self._servers = servers

    def connections(self) -> list[Any]:
        return [one for server in self._servers for one in cast("Any", server).connections]

    def close(self) -> None:
        """Accept nothing more."""
        for server in self._servers:
            server.close()


async def start(
    runtime: Runtime, listener: socket.socket, routes: Sequence[Route], *, touchup: bool = False
) -> Serving:
    """Serve `runtime` on a bound socket."""
    untyped: Any = build_app(runtime, routes, touchup=touchup)
    servers: list[AsyncioServer] = []
    for _ in range(ACCEPTS_PER_TURN):
        server: AsyncioServer = await untyped.create_server(
            sock=listener.dup(), backlog=BACKLOG, return_asyncio_server=True, access_log=False
        )
        if not servers:
            await server.startup()
        await cast("Any", server).start_serving()
        servers.append(server)
    listener.close()
    return Serving(servers)


async def stop_gracefully(runtime: Runtime, serving: Serving) -> None:
    """Accept nothing more, let running requests finish for `shutdown_grace`, then close."""
    runtime.draining = True
    grace_s = runtime.snapshot.config.server.shutdown_grace_s
    serving.close()
    loop = asyncio.get_running_loop()
    ends = loop.time() + grace_s
    _log.info("stopping; %s requests may finish for %.0f s", runtime.in_flight, grace_s)
    while (open_ones := serving.connections()) and loop.time() < ends:
        for connection in open_ones:
            connection.close_if_idle()
        await asyncio.sleep(DRAIN_STEP_S)
    for connection in serving.connections():
        connection.close(timeout=0)
    await runtime.close()
