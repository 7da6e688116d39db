"""Compares the ways to a provider: `python -m benchmarks.clients`, about fifteen seconds.

The provider stand-in runs in a process of its own; `direct` is the load generator's way to read an
answer with nothing of a client around it. Rounds are interleaved, so that each ratio compares two
measurements of the same moment.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import uvloop

from benchmarks.payload import MODEL, request_body
from benchmarks.servers import free_port, upstream_command
from omniroute.upstream.client import Bounds, Transport, UpstreamRequest
from omniroute.upstream.options import TransportOptions
from omniroute.upstream.pool import TransportPool

ROUNDS = 3
AT_ONCE = 16
SECONDS = 0.7
_HEADERS = (("content-type", "application/json"), ("authorization", "Bearer sk-benchmark"))

Fetch = Callable[[bool], Awaitable[None]]


def through(transport: Transport, port: int) -> Fetch:
    bounds = Bounds(connect_s=5, first_byte_s=60, idle_s=60)

    async def fetch(stream: bool) -> None:
        request = UpstreamRequest(
            method="POST",
            url=f"http://127.0.0.1:{port}/v1/chat/completions",
            headers=_HEADERS,
            body=request_body(MODEL, asks="chat", stream=stream),
        )
        exchange = await transport.open(request, bounds)
        while await exchange.read():
            pass
        await exchange.close()

    return fetch


def direct(port: int) -> Fetch:
    """Streams of asyncio, one connection per request under way, read to the known end."""
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def fetch(stream: bool) -> None:
        pair = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
        reader, writer = pair
        body = request_body(MODEL, asks="chat", stream=stream)
        writer.write(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        head = await reader.readuntil(b"\r\n\r\n")
        if stream:
            await reader.readuntil(b"\r\n0\r\n\r\n")
        else:
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split()[0]))
        idle.append(pair)

    return fetch


async def measure(fetch: Fetch, *, stream: bool) -> tuple[float, float]:
    """Answers per second, and microseconds of our CPU per answer."""
    count = 0

    async def worker() -> None:
        nonlocal count
        while time.perf_counter() < end:
            await fetch(stream)
            count += 1

    await asyncio.gather(
        *[fetch(stream) for _ in range(AT_ONCE)]
    )  # connections and first-time work
    end = time.perf_counter() + SECONDS
    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*[worker() for _ in range(AT_ONCE)])
    return count / (time.perf_counter() - begun), (time.process_time() - cpu) / count * 1e6


async def compare(port: int) -> None:
    pool = TransportPool()
    subjects: dict[str, Fetch] = {"direct": direct(port)}
    for client in ("fast", "httpx"):
        options = TransportOptions(client=client, allow_private_network=True)
        subjects[client] = through(pool.get(options), port)
    write = sys.stdout.write
    write("| answer | client | answers/s | CPU µs each | of direct |\n|---|---|---|---|---|\n")
    for stream in (False, True):
        rounds = [
            {name: await measure(fetch, stream=stream) for name, fetch in subjects.items()}
            for _ in range(ROUNDS)
        ]
        for name in subjects:
            rate = statistics.median(one[name][0] for one in rounds)
            cpu_us = statistics.median(one[name][1] for one in rounds)
            ratio = statistics.median(one[name][0] / one["direct"][0] for one in rounds)
            kind = "stream" if stream else "whole"
            write(f"| {kind} | {name} | {rate:,.0f} | {cpu_us:,.0f} | {ratio:.2f} |\n")
    await pool.close()


def main() -> None:
    port = free_port()
    upstream = subprocess.Popen(upstream_command(port))
    try:
        time.sleep(1)
        uvloop.run(compare(port))
    finally:
        upstream.terminate()
        upstream.wait()


if __name__ == "__main__":
    main()
