"""What comes in over a real socket: heads, bodies, refusals that can be read, and what is held."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from omniroute.http.edge import insides
from omniroute.http.edge.insides import EdgeHttp, EdgeProtocol
from omniroute.ledger.database import open_database
from tests.chat import ASK as ASKED
from tests.chat import lab
from tests.http.edge.test_parser import CASES, Case
from tests.running import ECHO, Gateway, running
from tests.scripted import HANG, scripted_upstream

KEY = "omr_receive"
CHAT = "/v1/chat/completions"
GUARDED = (
    ECHO
    + f"""
auth: {{require_api_key: true}}
keys: {{app: {{hash: "sha256:{hashlib.sha256(KEY.encode()).hexdigest()}"}}}}
server: {{max_body: 64KiB, max_bodies: 512KiB}}
"""
)
AT_ONCE = 8
"""The largest bodies that have room together."""
ASK = b'{"model": "echo", "messages": [{"role": "user", "content": "hi"}]}'


@asynccontextmanager
async def connected(
    gateway: Gateway,
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(20):
            yield reader, writer
    finally:
        writer.close()


def head(length: int, *more: str, key: str | None = KEY) -> bytes:
    lines = [f"POST {CHAT} HTTP/1.1", "host: x", f"content-length: {length}", *more]
    lines += [f"authorization: Bearer {key}"] if key is not None else []
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.refused is not None], ids=lambda case: case.name
)
async def test_what_is_no_request_is_answered_and_closed(tmp_path: Path, case: Case) -> None:
    async with running(tmp_path) as gateway, connected(gateway) as (reader, writer):
        writer.write(case.sent.replace("/x ", f"{CHAT} ").encode())
        answer = await reader.read()  # up to the end: the connection is closed
        status = answer.split(b" ", 2)[1].decode() if answer else "none"
        assert status == str(case.refused), answer
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b'"error"' in answer


async def test_requests_behind_each_other_are_answered_in_order(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway, connected(gateway) as (reader, writer):
        get = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
        last = b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        writer.write(head(len(ASK)) + ASK + get + get + last)
        answer = await reader.read()
        assert answer.count(b"HTTP/1.1 200 OK") == 4
        assert answer.index(b"chat.completion") < answer.index(b'"ok"') < answer.index(b'"ready"')


async def test_a_client_that_asks_first_is_told_to_go_on_once_its_key_is_known(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, GUARDED) as gateway:
        async with connected(gateway) as (reader, writer):
            writer.write(head(len(ASK), "expect: 100-continue", "connection: close"))
            assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
            await reader.readline()
            writer.write(ASK)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        for key, length, status in (("wrong", 10, b"401"), (KEY, 100_000, b"413")):
            async with connected(gateway) as (reader, writer):
                writer.write(head(length, "expect: 100-continue", key=key))
                answer = await reader.read()
                assert answer.startswith(b"HTTP/1.1 " + status)
                assert b"100 Continue" not in answer


async def test_without_a_key_no_body_is_read(tmp_path: Path) -> None:
    async with running(tmp_path, GUARDED) as gateway, connected(gateway) as (reader, writer):
        writer.write(head(60_000, key=None) + b"{")
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 401 ")
    with open_database(tmp_path / "data" / "usage.duckdb", read_only=True) as connection:
        rows = connection.execute("SELECT status, decided_by FROM requests").fetchall()
    assert rows == [(401, "key")]


async def test_a_body_that_is_too_large_is_told_so_while_it_is_sent(tmp_path: Path) -> None:
    async with running(tmp_path, GUARDED) as gateway:
        async with connected(gateway) as (reader, writer):
            writer.write(head(8 << 20))

            async def send() -> None:
                for _ in range(8 << 4):
                    writer.write(b"x" * 65536)
                    await writer.drain()

            sending = asyncio.ensure_future(send())
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 413 ")
            await sending  # nobody broke the connection off
        async with connected(gateway) as (reader, writer):
            chunked = head(0).replace(b"content-length: 0", b"transfer-encoding: chunked")
            writer.write(chunked + b"20000\r\n" + b"x" * 0x20000 + b"\r\n0\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413 ")


async def test_bodies_together_have_a_bound(tmp_path: Path) -> None:
    async with running(tmp_path, GUARDED) as gateway:
        waiting: list[asyncio.StreamWriter] = []
        host, port = gateway.url.removeprefix("http://").split(":")
        for _ in range(AT_ONCE):
            _reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(head(65536) + b"{")
            waiting.append(writer)
        while True:  # until all of them are being read
            reply = await gateway.client.post(
                CHAT, content=ASK, headers={"authorization": f"Bearer {KEY}"}
            )
            if reply.status_code == 503:
                break
        assert reply.json()["error"]["code"] == "too_many_bodies"
        assert reply.headers["retry-after"] == "1"
        for writer in waiting:
            writer.close()
        while reply.status_code == 503:  # room comes back as they leave
            reply = await gateway.client.post(
                CHAT, content=ASK, headers={"authorization": f"Bearer {KEY}"}
            )
        assert reply.status_code == 200


async def test_a_head_that_stalls_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insides, "HEAD_S", 0.2)
    async with running(tmp_path) as gateway, connected(gateway) as (reader, writer):
        writer.write(b"GET / HT")
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 408 ")


HTTP_METHODS = (
    "http1",
    "http1_request_header",
    "http1_response_header",
    "read",
    "init_for_request",
    "error_response",
    "create_empty_request",
)
HTTP_FIELDS = (
    "recv_buffer",
    "expecting_continue",
    "keep_alive",
    "head_only",
    "request_body",
    "request_bytes",
    "request_bytes_left",
    "upgrade_websocket",
    "stage",
)


def test_sanic_is_as_we_lean_on_it() -> None:
    """Fails where a release of Sanic moves what `insides` overrides or reads."""
    from sanic.http.http1 import Http
    from sanic.response import HTTPResponse
    from sanic.server.protocols.http_protocol import HttpProtocol

    assert EdgeProtocol.HTTP_CLASS is EdgeHttp
    for name in HTTP_METHODS:
        assert callable(getattr(Http, name)), name
    assert set(HTTP_FIELDS) <= set(Http.__slots__)
    assert HttpProtocol.HTTP_CLASS is Http
    for name in ("receive_more", "send", "abort", "close_if_idle", "recv_buffer", "_can_write"):
        assert hasattr(HttpProtocol, name), name  # of a connection that leaves HTTP
    assert "processed_headers" in dir(HTTPResponse)


async def test_a_request_byte_by_byte_is_answered(tmp_path: Path) -> None:
    async with running(tmp_path, GUARDED) as gateway, connected(gateway) as (reader, writer):
        for byte in head(len(ASK), "connection: close") + ASK:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)  # so that the bytes do not leave together
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("bound", "owner", "sent"),
    [
        pytest.param("HEAD_S", insides, b"POST / HTTP/1.1\r\n", id="head"),
        pytest.param("BODY_S", insides, head(60_000), id="body"),
        pytest.param("SILENCE_S", insides, head(60_000), id="silence in a body"),
    ],
)
async def test_a_client_that_never_ends_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, owner: object, sent: bytes
) -> None:
    monkeypatch.setattr(owner, bound, 0.2)
    async with running(tmp_path, GUARDED) as gateway, connected(gateway) as (reader, writer):
        writer.write(sent)
        answer = asyncio.ensure_future(reader.read())
        while not answer.done() and bound != "SILENCE_S":  # a byte now and then holds nothing open
            writer.write(b"x")
            await asyncio.wait({answer}, timeout=0.02)
        assert (await answer).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"POST /v1", id="half a head"),
        pytest.param(head(60_000), id="a head"),
        pytest.param(head(60_000) + b"{", id="half a body"),
    ],
)
async def test_half_a_request_and_the_end_is_let_go(tmp_path: Path, sent: bytes) -> None:
    async with running(tmp_path, GUARDED) as gateway:
        for _ in range(AT_ONCE + 1):  # each gives back the room that it took
            async with connected(gateway) as (reader, writer):
                writer.write(sent)
                writer.write_eof()
                assert b" 200 " not in await reader.read()  # answered or not, it ends
        headers = {"authorization": f"Bearer {KEY}"}
        reply = await gateway.client.post(CHAT, content=ASK, headers=headers)
        assert reply.status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_a_whole_request_and_the_end_is_answered_or_let_go(
    tmp_path: Path, *, stream: bool
) -> None:
    """Also where the answer takes long: the connection does not outlive what it is for."""
    asked = json.dumps({**ASKED, "stream": stream}).encode()
    async with (
        scripted_upstream([HANG]) as upstream,
        running(tmp_path, lab(upstream.url)) as gateway,
        connected(gateway) as (reader, writer),
    ):
        writer.write(head(len(asked)) + asked)
        await upstream.received(1)
        writer.write_eof()
        await reader.read()
        await asyncio.wait_for(upstream.left.wait(), 10)
