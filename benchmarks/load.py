"""The load generator: a closed loop of keep-alive connections, bounded in time and in count.

Prints one JSON object. Each answer is checked (status 200, whole, the expected number of events),
so that a fast failure cannot look like speed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import cast

import uvloop

from benchmarks.payload import PATHS, STREAM_EVENTS, Asks, request_body

_MARK = b"data:"  # one per event


class Run:
    """What all connections of one measurement share."""

    def __init__(
        self, request: bytes, *, expected: int | None, seconds: float, max_requests: int
    ) -> None:
        self.request = request
        self.expected = expected
        """Events of one answer; None until the first answer has told, where nobody knows before."""
        self.stop_at = time.perf_counter() + seconds
        self.left = max_requests
        self.errors: list[str] = []
        self.latencies: list[float] = []
        self.first_bytes: list[float] = []
        self.events = 0
        self.open = 0
        self.done = asyncio.Event()

    def may_send(self) -> bool:
        return self.left > 0 and time.perf_counter() < self.stop_at


class Client(asyncio.Protocol):
    """One connection: send, take the whole answer, send again."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._buffer = b""
        self._sent_at = 0.0
        self._head_seen = False
        self._length: int | None = None
        self._tail = b""
        self._events = 0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._run.open += 1
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._run.errors.append("connection lost in the middle of an answer")
            self._close()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        self._transport = None
        self._run.open -= 1
        if self._run.open == 0:
            self._run.done.set()

    def _send(self) -> None:
        if self._transport is None or not self._run.may_send():
            self._close()
            return
        self._run.left -= 1
        self._buffer = b""
        self._head_seen = False
        self._tail = b""
        self._events = 0
        self._sent_at = time.perf_counter()
        self._transport.write(self._run.request)

    def data_received(self, data: bytes) -> None:
        self._buffer = buffer = self._buffer + data
        if not self._head_seen:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._read_head(buffer[:end].lower())
            self._buffer = buffer = buffer[end + 4 :]
        if self._length is None:
            self._take_chunks(buffer)
        elif len(buffer) >= self._length:
            self._finish()

    def _read_head(self, head: bytes) -> None:
        self._head_seen = True
        if not head.startswith(b"http/1.1 200"):
            self._run.errors.append(head.split(b"\r\n", 1)[0].decode("latin-1"))
        at = head.find(b"content-length:")
        self._length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else None

    def _take_chunks(self, buffer: bytes) -> None:
        # Proxies cut chunks where they like, so marks are counted in what the chunks carry.
        at = 0
        while (line_end := buffer.find(b"\r\n", at)) >= 0:
            start = line_end + 2
            end = start + int(buffer[at:line_end], 16)
            if len(buffer) < end + 2:
                break
            if end == start:
                self._end_stream()
                return
            carried = self._tail + buffer[start:end]
            self._tail = carried[1 - len(_MARK) :]
            found = carried.count(_MARK)
            if found and not self._events:
                self._run.first_bytes.append(time.perf_counter() - self._sent_at)
            self._events += found
            at = end + 2
        self._buffer = buffer[at:]

    def _end_stream(self) -> None:
        run = self._run
        if run.expected is None and self._events:
            run.expected = self._events
        if self._events != run.expected:
            run.errors.append(f"{self._events} events instead of {run.expected}")
        self._finish()

    def _finish(self) -> None:
        self._run.latencies.append(time.perf_counter() - self._sent_at)
        self._run.events += self._events
        self._send()


def percentile(values: list[float], share: float) -> float:
    """Nearest rank of sorted `values`; 0.0 of none."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


async def measure(
    *,
    port: int,
    model: str,
    key: str,
    stream: bool,
    connections: int,
    seconds: float,
    limit: int,
    asks: Asks = "chat",
    prompt_bytes: int = 0,
) -> dict[str, object]:
    """Run the loop and return its figures; times in milliseconds."""
    body = request_body(model, asks=asks, stream=stream, prompt_bytes=prompt_bytes)
    request = (
        b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        b"authorization: Bearer %s\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%s"
    ) % (PATHS[asks].encode(), key.encode(), len(body), body)
    expected = 0 if not stream else STREAM_EVENTS if asks == "chat" else None
    run = Run(request, expected=expected, seconds=seconds, max_requests=limit)
    loop = asyncio.get_running_loop()
    started, cpu_started = time.perf_counter(), time.process_time()
    for _ in range(connections):
        await loop.create_connection(lambda: Client(run), "127.0.0.1", port)
    # Past the end, whoever hangs is an error and not a reason to wait.
    async with asyncio.timeout(seconds + 15):
        await run.done.wait()
    elapsed_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu_started
    latencies, first_bytes = sorted(run.latencies), sorted(run.first_bytes)
    return {
        "requests": len(latencies),
        "errors": len(run.errors),
        "first_error": run.errors[0] if run.errors else None,
        "seconds": elapsed_s,
        "events": run.events,
        "p50_ms": percentile(latencies, 0.50) * 1000,
        "p99_ms": percentile(latencies, 0.99) * 1000,
        "first_byte_p50_ms": percentile(first_bytes, 0.50) * 1000,
        "first_byte_p99_ms": percentile(first_bytes, 0.99) * 1000,
        "generator_busy": cpu_s / elapsed_s,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--key", default="none")
    parser.add_argument("--asks", choices=sorted(PATHS), default="chat")
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--prompt-bytes", type=int, default=0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--limit", type=int, default=300_000)
    wanted = vars(parser.parse_args())
    print(json.dumps(uvloop.run(measure(**wanted))))


if __name__ == "__main__":
    main()
