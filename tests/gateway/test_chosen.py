"""What clients choose, in large: the heads of answers and what is kept of it stay small."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from omniroute.base.chosen import LONGEST_KEPT
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.insides import LONGEST_VALUE
from omniroute.request.request import Request
from tests.running import Gateway, running

TEXT = """
version: 1
server:
  limits: {fields: 100000, name: 64KiB}
  cors: {origins: ["*"]}
aliases: {"*": echo/echo}
providers:
  echo: {preset: echo}
"""
ASKS = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9},
    "/v1/responses": {"input": "hi"},
}
LONG = "n" * 12_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Gateway]:
    async with running(tmp_path_factory.mktemp("chosen"), TEXT) as gateway:
        yield gateway


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ASKS)
async def test_every_header_that_is_made_is_short(
    gateway: Gateway, path: str, stream: bool
) -> None:
    fields = {f"{number}{LONG}": 1 for number in range(10)} | {f"f{at}": 1 for at in range(9000)}
    reply = await gateway.client.post(
        path,
        json={"model": LONG, "stream": stream, **ASKS[path], **fields},
        headers={"origin": f"https://{LONG}"},
    )
    assert reply.status_code == 200, reply.text[:300]
    longest = max(reply.headers.items(), key=lambda header: len(header[1]))
    assert len(longest[1]) <= LONGEST_VALUE, longest


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("method", "path"),
    [("OPTIONS", "/v1/chat/completions"), ("PATCH", "/v1/models"), ("GET", f"/{LONG}")],
)
async def test_every_header_of_a_refusal_is_short(gateway: Gateway, method: str, path: str) -> None:
    reply = await gateway.client.request(
        method,
        path,
        headers={
            "origin": "https://a",
            "access-control-request-method": LONG[:3000],
            "access-control-request-headers": LONG[:3000],
        },
    )
    assert max(map(len, reply.headers.values())) <= LONGEST_VALUE


@pytest.mark.asyncio(loop_scope="module")
async def test_what_was_dropped_ends_with_how_much_more(gateway: Gateway) -> None:
    fields = {f"field_{number}": 1 for number in range(5000)}
    reply = await gateway.client.post(
        "/v1/messages", json={"model": "m", **ASKS["/v1/messages"], **fields}
    )
    told = reply.headers["x-omniroute-dropped"]
    shown = told.split(",")
    assert shown[0] == "field_0"
    assert shown[-1] == f"... and {5000 - (len(shown) - 1)} more"


@pytest.mark.asyncio(loop_scope="module")
async def test_sessions_of_any_length_are_kept_short_and_apart(gateway: Gateway) -> None:
    names = ["s" * 1_000_000 + end for end in "abb"]
    before = len(gateway.runtime.live.sessions)
    for name in names:
        body = {"model": "m", "user": name, **ASKS["/v1/chat/completions"]}
        await gateway.client.post("/v1/chat/completions", json=body)
    kept = list(gateway.runtime.live.sessions.values())[before:]
    assert [row.requests for row in kept] == [1, 2]
    assert [len(row.session) for row in kept] == [LONGEST_KEPT, LONGEST_KEPT]


CHAT, MESSAGES, RESPONSES = ASKS.items()
REQUESTS: dict[str, tuple[str, Any]] = {
    "whole": CHAT,
    "streamed": (CHAT[0], {**CHAT[1], "stream": True}),
    "translated": MESSAGES,
    "translated and streamed": (MESSAGES[0], {**MESSAGES[1], "stream": True}),
    "not kept": (RESPONSES[0], {**RESPONSES[1], "store": False}),
    "refused": (CHAT[0], {"messages": []}),
    "no object": (CHAT[0], []),
    "refused by the provider": (CHAT[0], {**CHAT[1], "model": "echo/other"}),
    "no path": ("/v1/nowhere", {}),
    "no method": ("/v1/models", {}),
    "no role": ("/api/resilience/reset", {}),
    "dots": ("/openai/%2e%2e/x", {}),
}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_request_is_gone_when_it_was_answered(gateway: Gateway) -> None:
    """Without cycles, which would hold each body until the collector comes, megabytes later."""
    statuses = set[int]()
    gc.collect()
    gc.disable()
    try:
        for name, (path, body) in REQUESTS.items():
            asked = {"model": "m", **body} if body else body
            for headers in ({}, {"authorization": "Bearer nobody"}):
                url = f"{path}?{name}"
                reply = await gateway.client.post(url, json=asked, headers=headers)
                statuses.add(reply.status_code)
        await gateway.client.get("/healthz")  # a connection holds its last request
        kept = [one for one in gc.get_objects() if isinstance(one, Asked | Request)]
    finally:
        gc.enable()
    assert statuses == {200, 400, 401, 404, 405}
    assert [one.path if isinstance(one, Asked) else one.inbound.path for one in kept] == []
