"""CPU time of translation for every pair of formats: python -m benchmarks.translation.

One chat of 20 messages with five tools, and its answer with two calls, is brought into every format
by the tables themselves. Times are of this process alone, the least of several rounds; what
`orjson` takes to parse the same bytes is not counted for bodies, and is counted for streams.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import product
from typing import Any, Final

import orjson
from msgspec import structs

from omniroute.active.tables import read_tables
from omniroute.translation.registry import load_formats
from omniroute.translation.values import Destination, Formats

FORMATS: Final = ("openai-chat", "openai-responses", "anthropic", "gemini", "ollama")
BASE: Final = "openai-chat"
CHUNKS: Final = 200
_TARGET: Final = Destination(provider="bench", model="bench-model", stream=False, seed="bench")
_WORDS: Final = "the quick brown fox jumps over the lazy dog and says nothing of it "


def _tool(number: int) -> dict[str, Any]:
    names = ("path", "pattern", "limit", "recursive")
    properties = {name: {"type": "string", "description": _WORDS[:40]} for name in names}
    schema = {"type": "object", "properties": properties, "required": ["path"]}
    function = {"name": f"tool_{number}", "description": _WORDS, "parameters": schema}
    return {"type": "function", "function": function}


def _call(number: int) -> dict[str, Any]:
    arguments = '{"path":"/a/b/c","pattern":"x.*","limit":"10"}'
    function = {"name": f"tool_{number % 5}", "arguments": arguments}
    return {"id": f"call_{number}", "type": "function", "function": function}


def chat_body() -> dict[str, Any]:
    """Five turns of four messages behind a system prompt."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": _WORDS * 4}]
    for turn in range(5):
        messages += [
            {"role": "user", "content": _WORDS * 2},
            {"role": "assistant", "content": None, "tool_calls": [_call(turn)]},
            {"role": "tool", "tool_call_id": f"call_{turn}", "content": _WORDS * 3},
            {"role": "assistant", "content": _WORDS * 2},
        ]
    messages[-1] = {"role": "user", "content": "go on"}
    tools = [_tool(number) for number in range(5)]
    return {"model": "m", "messages": messages, "tools": tools, "max_completion_tokens": 1000}


def chat_answer() -> bytes:
    message = {"role": "assistant", "content": _WORDS * 3, "tool_calls": [_call(8), _call(9)]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    usage = {"prompt_tokens": 900, "completion_tokens": 90}
    return orjson.dumps({"id": "c", "model": "m", "choices": [choice], "usage": usage})


def chat_stream() -> list[bytes]:
    """A text in `CHUNKS` pieces and its end."""
    rows: list[dict[str, Any]] = [{"content": "word "} for _ in range(CHUNKS)]
    events: list[dict[str, Any]] = [
        {"id": "c", "model": "m", "choices": [{"index": 0, "delta": row}]} for row in rows
    ]
    end: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": "stop"}
    events.append({"id": "c", "model": "m", "choices": [end]})
    return [b"data: %b\n\n" % orjson.dumps(event) for event in events] + [b"data: [DONE]\n\n"]


def least_us(work: Callable[[], object], *, times: int = 40, rounds: int = 5) -> float:
    """Microseconds of CPU for one call of `work`, in the best of a few rounds."""
    best = float("inf")
    for _ in range(rounds):
        began_s = time.process_time()
        for _ in range(times):
            work()
        best = min(best, time.process_time() - began_s)
    return best / times * 1e6


class Bench:
    """The same conversation in every format."""

    def __init__(self, formats: Formats) -> None:
        self.formats = formats
        self.bodies: dict[str, bytes] = {}
        self.answers: dict[str, bytes] = {}
        self.streams: dict[str, list[bytes]] = {}
        ask, whole, pieces = chat_body(), chat_answer(), chat_stream()
        streamed = structs.replace(_TARGET, stream=True)
        for name in FORMATS:
            self.bodies[name] = formats.pair(BASE, name).request(ask, b"", _TARGET).body
            body = orjson.loads(self.bodies[name])
            self.answers[name] = formats.pair(name, BASE).reply(whole, body, _TARGET).body
            stream = formats.pair(name, BASE).stream(body, streamed)
            frames = [stream.feed(piece) for piece in pieces]
            self.streams[name] = [*(frame for frame in frames if frame), stream.finish()]

    def request_us(self, client: str, upstream: str) -> float:
        pair, raw = self.formats.pair(client, upstream), self.bodies[client]
        body = orjson.loads(raw)
        return least_us(lambda: pair.request(body, raw, _TARGET))

    def answer_us(self, client: str, upstream: str) -> float:
        pair, raw = self.formats.pair(client, upstream), self.answers[upstream]
        body = orjson.loads(self.bodies[client])
        parsing = least_us(lambda: orjson.loads(raw))
        return least_us(lambda: pair.reply(raw, body, _TARGET)) - parsing

    def chunk_us(self, client: str, upstream: str) -> float:
        pair, frames = self.formats.pair(client, upstream), self.streams[upstream]
        body = orjson.loads(self.bodies[client])
        target = structs.replace(_TARGET, stream=True)

        def run() -> None:
            stream = pair.stream(body, target)
            for frame in frames:
                stream.feed(frame)

        return least_us(run, times=4) / len(frames)


def main() -> None:
    """Write a table in Markdown."""
    bench = Bench(load_formats(read_tables()))
    out = sys.stdout
    out.write("| client → provider | request µs | answer µs | both µs | stream chunk µs |\n")
    out.write("|---|---|---|---|---|\n")
    for client, upstream in product(FORMATS, FORMATS):
        request, answer = bench.request_us(client, upstream), bench.answer_us(client, upstream)
        chunk = bench.chunk_us(client, upstream)
        numbers = f"{request:.0f} | {answer:.0f} | {request + answer:.0f} | {chunk:.1f}"
        out.write(f"| {client} → {upstream} | {numbers} |\n")


if __name__ == "__main__":
    main()
