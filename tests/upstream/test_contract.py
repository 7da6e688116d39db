"""What every transport promises, on a real socket; runs for each client."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncGenerator

import pytest

from omniroute.errors import (
    UpstreamConnectError,
    UpstreamCutError,
    UpstreamTimeoutError,
)
from omniroute.upstream.client import Bounds, Exchange, Transport, UpstreamRequest
from omniroute.upstream.options import TransportOptions
from omniroute.upstream.pool import TransportPool
from tests.scripted import (
    CUT,
    DROP_HALF,
    HANG,
    LAST_CHUNK,
    RESET,
    Script,
    chunk,
    chunked_head,
    respond,
    scripted_upstream,
    sse_head,
)

BOUNDS = Bounds(connect_s=5, first_byte_s=5, idle_s=5)
SECRET = "sk-very-secret"  # noqa: S105 - what must not show up in messages


@pytest.fixture(params=["fast", "httpx"])
async def transport(request: pytest.FixtureRequest) -> AsyncGenerator[Transport]:
    pool = TransportPool()
    yield pool.get(TransportOptions(client=request.param, allow_private_network=True))
    await pool.close()


def ask(url: str, body: bytes = b"{}") -> UpstreamRequest:
    return UpstreamRequest(
        method="POST",
        url=f"{url}/v1/chat?key={SECRET}",
        headers=(("content-type", "application/json"), ("x-twice", "1"), ("x-twice", "2")),
        body=body,
    )


async def read_all(exchange: Exchange) -> bytes:
    body = bytearray()
    while data := await exchange.read():
        body += data
    await exchange.close()
    return bytes(body)


async def test_a_request_arrives_as_it_was_given(transport: Transport) -> None:
    async with scripted_upstream([respond(b"hello", headers=(("x-a", "1"), ("X-A", "2")))]) as up:
        exchange = await transport.open(ask(up.url, b'{"a":1}'), BOUNDS)
        assert (exchange.status, exchange.headers["x-a"]) == (200, "1, 2")
        assert await read_all(exchange) == b"hello"
    got = up.requests[0]
    assert (got.method, got.target, got.body) == ("POST", f"/v1/chat?key={SECRET}", b'{"a":1}')
    assert got.raw_head.lower().count(b"x-twice: ") == 2
    assert got.headers["host"] == f"127.0.0.1:{up.port}"
    assert got.headers["accept-encoding"] == "identity"


async def test_the_head_comes_before_the_body(transport: Transport) -> None:
    hold = asyncio.Event()
    script = [chunked_head(), hold, chunk(b"one"), hold, LAST_CHUNK]
    async with scripted_upstream(script) as up:
        exchange = await transport.open(ask(up.url), BOUNDS)
        hold.set()
        assert await read_all(exchange) == b"one"


async def test_chunks_are_handed_on_as_they_arrive(transport: Transport) -> None:
    hold = asyncio.Event()
    async with scripted_upstream(
        [chunked_head(), chunk(b"data: 1\n\n"), hold, chunk(b"data: 2\n\n"), LAST_CHUNK]
    ) as up:
        exchange = await transport.open(ask(up.url), BOUNDS)
        assert await exchange.read() == b"data: 1\n\n"
        hold.set()
        assert await read_all(exchange) == b"data: 2\n\n"


async def test_a_connection_is_used_again(transport: Transport) -> None:
    async with scripted_upstream([respond(b"x")]) as up:
        for _ in range(3):
            await read_all(await transport.open(ask(up.url), BOUNDS))
    assert [got.connection for got in up.requests] == [0, 0, 0]


async def test_a_kept_connection_that_the_server_closed_is_replaced(transport: Transport) -> None:
    async with scripted_upstream([respond(b"x"), CUT]) as up:
        for count in (1, 2, 3):
            assert await read_all(await transport.open(ask(up.url), BOUNDS)) == b"x"
            await up.closed(count)
    assert [got.connection for got in up.requests] == [0, 1, 2]


async def test_an_unread_answer_is_broken_off_by_close(transport: Transport) -> None:
    async with scripted_upstream([chunked_head(), chunk(b"one"), HANG]) as up:
        exchange = await transport.open(ask(up.url), BOUNDS)
        await exchange.close()
        await exchange.close()
        await up.wait_left()


async def test_cancelling_the_wait_for_the_head_closes_the_socket(transport: Transport) -> None:
    async with scripted_upstream([HANG]) as up:
        waiting = asyncio.ensure_future(transport.open(ask(up.url), BOUNDS))
        await up.received()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await up.wait_left()


async def test_cancelling_a_read_closes_the_socket(transport: Transport) -> None:
    async with scripted_upstream([chunked_head(), chunk(b"one"), HANG]) as up:
        exchange = await transport.open(ask(up.url), BOUNDS)
        assert await exchange.read() == b"one"
        waiting = asyncio.ensure_future(exchange.read())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await up.wait_left()
        await exchange.close()


async def test_a_reader_that_stands_still_holds_the_provider_back(transport: Transport) -> None:
    flood = chunk(b"x" * (1 << 18))
    async with scripted_upstream([chunked_head(), *[flood] * 128, LAST_CHUNK]) as up:
        exchange = await transport.open(ask(up.url), BOUNDS)
        await exchange.read()
        seen = -1
        while up.written_bytes != seen:  # until nothing more goes into the socket
            seen = up.written_bytes
            await asyncio.sleep(0.2)
        assert seen < 16 << 20  # buffers of the kernel on both sides, not the whole body
        rest = await read_all(exchange)
        assert len(rest) > 31 << 20


@pytest.mark.parametrize(
    ("script", "said"),
    [
        pytest.param([CUT], "", id="closed-before-the-head"),
        pytest.param([RESET], "", id="reset-before-the-head"),
        pytest.param([b"HTTP/1.1 200 OK\r\ncontent-le", CUT], "", id="closed-within-the-head"),
        pytest.param([b"SSH-2.0-OpenSSH_9.6\r\n\r\n"], "", id="not-http"),
        pytest.param([b"HTTP/1.1 200 OK\r\nx: " + b"a" * 300_000], "", id="endless-head"),
    ],
)
async def test_no_head_is_a_cut(transport: Transport, script: Script, said: str) -> None:
    async with scripted_upstream(script) as up:
        with pytest.raises(UpstreamCutError) as caught:
            await transport.open(ask(up.url), BOUNDS)
    assert SECRET not in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", CUT], id="short-body"),
        pytest.param([chunked_head(), chunk(b"abc"), CUT], id="no-last-chunk"),
        pytest.param([chunked_head(), chunk(b"abc"), RESET], id="reset"),
        pytest.param([chunked_head(), chunk(b"abc"), b"zz\r\n"], id="bad-chunk-size"),
    ],
)
async def test_a_body_that_breaks_is_a_cut(transport: Transport, script: Script) -> None:
    async with scripted_upstream(script) as up:
        with pytest.raises(UpstreamCutError) as caught:
            await read_all(await transport.open(ask(up.url), BOUNDS))
    assert SECRET not in str(caught.value)


async def test_a_body_without_length_ends_with_the_connection(transport: Transport) -> None:
    async with scripted_upstream([sse_head(), b"data: 1\n\n", DROP_HALF]) as up:
        assert await read_all(await transport.open(ask(up.url), BOUNDS)) == b"data: 1\n\n"


async def test_refused_is_a_connect_error(transport: Transport) -> None:
    async with scripted_upstream([]) as up:
        pass
    with pytest.raises(UpstreamConnectError) as caught:
        await transport.open(ask(up.url), BOUNDS)
    assert SECRET not in str(caught.value)


async def test_an_unknown_name_is_a_connect_error(transport: Transport) -> None:
    with pytest.raises(UpstreamConnectError, match=r"nowhere\.invalid"):
        await transport.open(ask("http://nowhere.invalid"), BOUNDS)


async def test_no_head_in_time_is_a_first_byte_timeout(transport: Transport) -> None:
    bounds = Bounds(connect_s=0.05, first_byte_s=0.2, idle_s=5)
    async with scripted_upstream([HANG]) as up:
        with pytest.raises(UpstreamTimeoutError) as caught:
            await transport.open(ask(up.url), bounds)
        assert caught.value.phase == "first_byte"
        await up.closed()


async def test_a_head_that_drips_is_a_first_byte_timeout(transport: Transport) -> None:
    bounds = Bounds(connect_s=0.05, first_byte_s=0.2, idle_s=5)
    async with scripted_upstream([b"HTTP/1.1 200 OK\r\n", HANG]) as up:
        with pytest.raises(UpstreamTimeoutError) as caught:
            await transport.open(ask(up.url), bounds)
    assert caught.value.phase == "first_byte"


async def test_silence_in_mid_answer_is_an_idle_timeout(transport: Transport) -> None:
    bounds = Bounds(connect_s=5, first_byte_s=5, idle_s=0.05)
    async with scripted_upstream([chunked_head(), chunk(b"1"), HANG]) as up:
        exchange = await transport.open(ask(up.url), bounds)
        with pytest.raises(UpstreamTimeoutError) as caught:
            await read_all(exchange)
        assert caught.value.phase == "idle"
        await up.closed()


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([HANG], id="head"),
        pytest.param([chunked_head(), chunk(b"1"), HANG], id="body"),
    ],
)
async def test_the_deadline_bounds_the_whole_exchange(transport: Transport, script: Script) -> None:
    deadline = asyncio.get_running_loop().time() + 0.2
    bounds = Bounds(connect_s=5, first_byte_s=5, idle_s=5, deadline=deadline)
    async with scripted_upstream(script) as up:
        with pytest.raises(UpstreamTimeoutError) as caught:
            await read_all(await transport.open(ask(up.url), bounds))
        assert caught.value.phase == "total"
        await up.closed()


async def test_a_tls_handshake_that_hangs_is_a_connect_timeout(transport: Transport) -> None:
    bounds = Bounds(connect_s=0.1, first_byte_s=5, idle_s=5)
    async with scripted_upstream([]) as up:
        with pytest.raises(UpstreamTimeoutError) as caught:
            await transport.open(ask(up.url.replace("http:", "https:")), bounds)
    assert caught.value.phase == "connect"


async def test_redirects_are_answers(transport: Transport) -> None:
    async with scripted_upstream([]) as elsewhere:
        moved = respond(status=307, headers=(("location", f"{elsewhere.url}/x"),))
        async with scripted_upstream([moved]) as up:
            exchange = await transport.open(ask(up.url), BOUNDS)
            assert exchange.status == 307
            await read_all(exchange)
        assert elsewhere.requests == []


@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw-deflate"])
async def test_an_encoded_body_is_decoded_as_it_arrives(transport: Transport, coding: str) -> None:
    wbits = {"gzip": 31, "deflate": 15, "raw-deflate": -15}[coding]
    packer = zlib.compressobj(wbits=wbits)
    first = packer.compress(b"data: 1\n\n") + packer.flush(zlib.Z_SYNC_FLUSH)
    last = packer.compress(b"data: 2\n\n") + packer.flush(zlib.Z_FINISH)
    head = chunked_head().replace(
        b"\r\n\r\n", f"\r\ncontent-encoding: {coding.removeprefix('raw-')}\r\n\r\n".encode()
    )
    hold = asyncio.Event()
    async with scripted_upstream([head, chunk(first), hold, chunk(last), LAST_CHUNK]) as up:
        exchange = await transport.open(ask(up.url), BOUNDS)
        assert "content-encoding" not in exchange.headers
        assert await exchange.read() == b"data: 1\n\n"
        hold.set()
        assert await read_all(exchange) == b"data: 2\n\n"


async def test_a_decompression_bomb_comes_in_small_steps(transport: Transport) -> None:
    bomb = gzip.compress(b"\0" * (32 << 20))
    async with scripted_upstream([respond(bomb, headers=(("content-encoding", "gzip"),))]) as up:
        exchange = await transport.open(ask(up.url), BOUNDS)
        assert "content-length" not in exchange.headers
        assert 0 < len(await exchange.read()) <= 256 << 10
        await exchange.close()


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        pytest.param(gzip.compress(b"x" * 99)[:-9], "gzip", id="truncated"),
        pytest.param(b"not gzip", "gzip", id="damaged"),
        pytest.param(b"??", "br", id="never-asked-for"),
    ],
)
async def test_an_encoding_that_cannot_be_undone_is_a_cut(
    transport: Transport, body: bytes, coding: str
) -> None:
    answer = respond(body, headers=(("content-encoding", coding),))
    async with scripted_upstream([answer]) as up:
        with pytest.raises(UpstreamCutError):
            await read_all(await transport.open(ask(up.url), BOUNDS))


@pytest.mark.parametrize(
    "interim",
    [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"],
    ids=["100", "103"],
)
async def test_interim_answers_are_skipped(transport: Transport, interim: bytes) -> None:
    async with scripted_upstream([interim, respond(b"real")]) as up:
        exchange = await transport.open(ask(up.url), BOUNDS)
        assert exchange.status == 200
        assert "link" not in exchange.headers
        assert await read_all(exchange) == b"real"


async def test_a_header_cannot_break_out_of_its_line(transport: Transport) -> None:
    async with scripted_upstream([respond()]) as up:
        request = UpstreamRequest(
            method="POST", url=up.url, headers=(("x-team", "a\r\nx-evil: 1"),), body=b"{}"
        )
        with pytest.raises(UpstreamConnectError):
            await transport.open(request, BOUNDS)
    assert up.requests == []


async def test_a_large_body_goes_out_whole(transport: Transport) -> None:
    body = bytes(range(256)) * 20_000
    async with scripted_upstream([respond(b"ok")]) as up:
        assert await read_all(await transport.open(ask(up.url, body), BOUNDS)) == b"ok"
    assert up.requests[0].body == body


async def test_empty_answers_have_no_body(transport: Transport) -> None:
    async with scripted_upstream([b"HTTP/1.1 204 No Content\r\n\r\n"]) as up:
        exchange = await transport.open(ask(up.url), BOUNDS)
        assert (exchange.status, await read_all(exchange)) == (204, b"")


async def test_closing_lets_running_exchanges_finish(transport: Transport) -> None:
    hold = asyncio.Event()
    async with scripted_upstream([chunked_head(), chunk(b"1"), hold, LAST_CHUNK]) as up:
        exchange = await transport.open(ask(up.url), BOUNDS)
        await transport.close()
        hold.set()
        assert await read_all(exchange) == b"1"
