"""One worker: run the application on a socket until it is told to stop, then drain."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import threading
from functools import partial
from typing import Any, Final, cast

import uvloop
from sanic.models.server_types import Signal as ServerSignal
from sanic.server.async_server import AsyncioServer

from omniroute.active.load import Loaded, Options
from omniroute.http.edge.app import RouteTable, build_app
from omniroute.http.edge.insides import EdgeProtocol
from omniroute.http.edge.listening import Listening
from omniroute.worker.runtime import RESTART, Runtime

_log = logging.getLogger("omniroute.server")

DRAIN_STEP_S: Final = 0.05
LAST_S: Final = 7.0
"""Beyond `server.shutdown_grace`, for what is still to be written."""


def run(options: Options, first: Loaded, listener: socket.socket, routes: RouteTable) -> int:
    """Serve until TERM or INT; the exit code, RESTART where somebody asked for another start."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(options, first, listener, routes))


async def _run(options: Options, first: Loaded, listener: socket.socket, routes: RouteTable) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    runtime = await Runtime.open(options, first)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, runtime.request_reload, "SIGHUP")
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    host, port = listener.getsockname()[:2]
    serving = await start(runtime, listener, routes, touchup=True)
    _settle_collector()
    _log.info("listening on http://%s:%s (config %s)", host, port, runtime.snapshot.digest)
    await stop.wait()
    _end_by(runtime.snapshot.config.server.shutdown_grace_s + LAST_S)
    await stop_gracefully(runtime, serving)
    return RESTART if runtime.restarting else 0


def _end_by(seconds: float) -> None:
    """End this process then, whatever keeps it: a thread, a disk, a store that hangs.

    What was answered is in the spool by then.
    """

    def end() -> None:
        _log.error("not ended after %.0f s: giving up what is left", seconds)
        os._exit(1)

    last = threading.Timer(seconds, end)
    last.daemon = True
    last.start()


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
    """What one worker has open towards its clients."""

    def __init__(self, listening: Listening, connections: set[EdgeProtocol]) -> None:
        self._listening = listening
        self._connections = connections

    def connections(self) -> list[EdgeProtocol]:
        return list(self._connections)

    def close(self) -> None:
        """Accept nothing more."""
        self._listening.close()


async def start(
    runtime: Runtime, listener: socket.socket, routes: RouteTable, *, touchup: bool = False
) -> Serving:
    """Serve `runtime` on a bound socket, which is closed with what is returned."""
    app = build_app(runtime, routes, touchup=touchup)
    loop = asyncio.get_running_loop()
    connections: set[EdgeProtocol] = set()
    # Sanic's own servers would also print what they are.
    await cast("Any", AsyncioServer)(app, loop, None, connections).startup()
    connect = partial(
        EdgeProtocol, loop=loop, connections=connections, signal=ServerSignal(), app=app
    )
    return Serving(Listening(listener, connect), connections)


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
