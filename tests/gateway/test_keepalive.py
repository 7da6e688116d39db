"""While a model thinks, each client hears something that means nothing in its format."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import pytest

from omniroute.request.keepalive import INTERVAL_S
from tests.chat import WHOLE_STREAM, lab
from tests.running import ECHO, Gateway, running
from tests.scripted import scripted_upstream

USER: Final = {"role": "user", "content": "hi"}
ASKED: Final[dict[str, tuple[str, dict[str, Any], bytes]]] = {
    "openai-chat": ("/v1/chat/completions", {"messages": [USER]}, b": \n\n"),
    "openai-responses": ("/v1/responses", {"input": [USER]}, b": \n\n"),
    "anthropic": (
        "/v1/messages",
        {"max_tokens": 9, "messages": [USER]},
        b'event: ping\ndata: {"type":"ping"}\n\n',
    ),
    "gemini, events": (
        "/v1beta/models/lab/m:streamGenerateContent?alt=sse",
        {"contents": [{"parts": [{"text": "hi"}]}]},
        b": \n\n",
    ),
    "gemini, an array": (
        "/v1beta/models/lab/m:streamGenerateContent",
        {"contents": [{"parts": [{"text": "hi"}]}]},
        b"\n",
    ),
    "ollama": ("/api/chat", {"messages": [USER]}, b""),
}


async def look(gateway: Gateway, *times_s: float) -> None:
    """As the worker does; the times are seconds from now."""
    now_s = asyncio.get_running_loop().time()
    for later_s in times_s:
        await gateway.runtime.alive.look(now_s + later_s)


@pytest.mark.parametrize("client", list(ASKED))
async def test_a_silent_stream_is_kept_alive(tmp_path: Path, client: str) -> None:
    path, body, nothing = ASKED[client]
    if not path.startswith("/v1beta"):
        body = {"model": "lab/m", "stream": True, **body}
    head, first, *later = WHOLE_STREAM
    goes_on = asyncio.Event()
    async with (
        scripted_upstream([head, first, goes_on, *later]) as upstream,
        running(tmp_path, lab(upstream.url)) as gateway,
        gateway.client.stream("POST", path, json=body) as reply,
    ):
        pieces = reply.aiter_raw()
        await anext(pieces)
        await look(gateway, 0.0, INTERVAL_S / 2)
        await look(gateway, INTERVAL_S + 1)
        if nothing:  # it would wait for what is not sent
            assert await anext(pieces) == nothing
        await look(gateway, INTERVAL_S + 1, 2 * INTERVAL_S - 1)  # what was heard counts
        goes_on.set()
        rest = b"".join([piece async for piece in pieces])
        await look(gateway, 9 * INTERVAL_S)
    assert b"ping" not in rest
    assert b": \n\n" not in rest


async def test_the_worker_looks_by_itself(tmp_path: Path) -> None:
    async with running(tmp_path, ECHO):
        assert "keep alive" in {task.get_name() for task in asyncio.all_tasks()}
