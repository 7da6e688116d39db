"""Chat completions through the gateway, bytes checked on both sides."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.chat import (
    ASK,
    COMPLETION,
    STREAM_HEAD,
    WHOLE_STREAM,
    answer,
    delta,
    event,
    lab,
)
from tests.running import Gateway, running, until
from tests.scripted import CUT, HANG, Script, scripted_upstream

SHORT: Script = [b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{", CUT]
SLOW = answer(
    429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, retry_after="7"
)


async def post(gateway: Gateway, body: Any, **headers: str) -> Any:
    return await gateway.client.post("/v1/chat/completions", json=body, headers=headers)


async def test_the_body_passes_with_another_model_name_and_unknown_fields(tmp_path: Path) -> None:
    async with (
        scripted_upstream([answer(200, COMPLETION)]) as upstream,
        running(tmp_path, lab(upstream.url)) as gateway,
    ):
        body = {**ASK, "temperature": 0.5, "some_future_field": {"a": [1, None, 1e3]}}
        reply = await post(gateway, body, authorization="Bearer client-key", cookie="a=b")
        sent = upstream.requests[0]
        assert sent.json() == {**body, "model": "m"}
        assert sent.headers["authorization"] == "Bearer lab-credential"
        assert "cookie" not in sent.headers
        assert reply.json() == COMPLETION
        assert {name: reply.headers[name] for name in reply.headers if "omniroute" in name} == {
            "x-omniroute-provider": "lab",
            "x-omniroute-model": "lab/m",
            "x-omniroute-connection": "main",
            "x-omniroute-attempts": "1",
            "x-omniroute-config": gateway.runtime.snapshot.digest,
            "x-omniroute-cost": "0.000046000",
        }


async def test_a_stream_is_forwarded_as_it_arrives(tmp_path: Path) -> None:
    hold = asyncio.Event()
    script: Script = [STREAM_HEAD, delta("Hel"), hold, *WHOLE_STREAM[2:]]
    async with (
        scripted_upstream(script) as upstream,
        running(tmp_path, lab(upstream.url)) as gateway,
        gateway.client.stream(
            "POST", "/v1/chat/completions", json={**ASK, "stream": True}
        ) as reply,
    ):
        lines = reply.aiter_lines()
        first = json.loads((await anext(lines)).removeprefix("data: "))
        assert first["choices"][0]["delta"] == {"content": "Hel"}
        hold.set()  # until here the upstream had sent nothing more
        rest = [line async for line in lines if line]
        assert rest[-1] == "data: [DONE]"
        assert upstream.requests[0].json()["stream_options"] == {"include_usage": True}
        assert all("usage" not in line for line in rest)  # the client did not ask for it


async def test_usage_comes_when_it_was_asked_for(tmp_path: Path) -> None:
    async with (
        scripted_upstream(WHOLE_STREAM) as upstream,
        running(tmp_path, lab(upstream.url)) as gateway,
    ):
        body = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
        reply = await post(gateway, body)
        events = [json.loads(line[6:]) for line in reply.text.split("\n\n") if "{" in line]
        assert [row["usage"] for row in events if row.get("usage")] == [COMPLETION["usage"]]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_frees_the_upstream(tmp_path: Path, *, stream: bool) -> None:
    script: Script = [STREAM_HEAD, delta("Hel"), HANG] if stream else [HANG]
    async with (
        scripted_upstream(script) as upstream,
        running(tmp_path, lab(upstream.url)) as gateway,
    ):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", int(gateway.url.rpartition(":")[2])
        )
        body = json.dumps({**ASK, "stream": stream}).encode()
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
            % len(body)
            + body
        )
        await upstream.received(1)
        if stream:
            await reader.readuntil(b"Hel")
        writer.transport.abort()
        async with asyncio.timeout(5):
            await upstream.left.wait()
        await until(lambda: gateway.runtime.in_flight == 0)


@pytest.mark.parametrize(
    ("script", "status", "kind"),
    [
        pytest.param([CUT], 502, "upstream_cut", id="closed before the head"),
        pytest.param([b"garbage\r\n\r\n", CUT], 502, "upstream_cut", id="not HTTP"),
        pytest.param(SHORT, 502, "upstream_cut", id="short body"),
        pytest.param([answer(200, "text")], 502, "upstream_cut", id="not an object"),
        pytest.param([answer(500, {"error": {"message": "x"}})], 500, "upstream_error", id="500"),
        pytest.param([SLOW], 429, "rate_limit_exceeded", id="429"),
    ],
)
async def test_a_failing_upstream_is_told_in_the_clients_envelope(
    tmp_path: Path, script: Script, status: int, kind: str
) -> None:
    once = "resilience: {retry: {attempts: 1}}\n"
    async with (
        scripted_upstream(script) as upstream,
        running(tmp_path, lab(upstream.url, once)) as gateway,
    ):
        reply = await post(gateway, ASK)
        assert reply.status_code == status, reply.text
        assert reply.json()["error"]["code"] == kind
        assert "lab-credential" not in reply.text
        told = [reply.headers[f"x-omniroute-{name}"] for name in ("provider", "model", "attempts")]
        assert told == ["lab", "lab/m", "1"]
        if status == 429:
            assert reply.headers["retry-after"] == "7"


async def test_a_cut_stream_ends_with_an_error_and_never_with_done(tmp_path: Path) -> None:
    script: Script = [STREAM_HEAD, delta("Hel"), CUT]
    async with (
        scripted_upstream(script) as upstream,
        running(tmp_path, lab(upstream.url)) as gateway,
    ):
        reply = await post(gateway, {**ASK, "stream": True})
        events = [line for line in reply.text.split("\n\n") if line]
        assert reply.status_code == 200
        assert json.loads(events[1][6:])["error"]["code"] == "upstream_cut"
        assert 'finish_reason":"stop' not in reply.text


async def test_an_error_before_the_first_event_has_its_own_status(tmp_path: Path) -> None:
    script: Script = [STREAM_HEAD, event({"error": {"message": "overloaded", "code": 503}}), CUT]
    async with (
        scripted_upstream(script) as upstream,
        running(tmp_path, lab(upstream.url, "resilience: {retry: {attempts: 1}}\n")) as gateway,
    ):
        reply = await post(gateway, {**ASK, "stream": True})
        assert reply.status_code >= 500
        assert "overloaded" in reply.json()["error"]["message"]


async def test_a_slow_reader_holds_the_upstream_back(tmp_path: Path) -> None:
    """Back-pressure: what nobody reads is not fetched; memory stays bounded."""
    filler = delta("x" * 60_000)
    script: Script = [STREAM_HEAD, *[filler] * 600, *WHOLE_STREAM[3:]]
    async with (
        scripted_upstream(script) as upstream,
        running(tmp_path, lab(upstream.url)) as gateway,
        gateway.client.stream(
            "POST", "/v1/chat/completions", json={**ASK, "stream": True}
        ) as reply,
    ):
        chunks = reply.aiter_raw()
        await anext(chunks)
        await asyncio.wait_for(_stands_still(lambda: upstream.written_bytes), 10)
        assert upstream.written_bytes < 600 * 60_000 // 2
        total = sum([len(chunk) async for chunk in chunks])
        assert total > 590 * 60_000


async def _stands_still(read: Any) -> None:
    """Until a figure has not moved for twenty looks."""
    last, same = -1, 0
    while same < 20:
        now = read()
        same = same + 1 if now == last else 0
        last = now
        await asyncio.sleep(0.02)
