"""What only our own client promises: how it keeps connections and what it knows of them."""

from __future__ import annotations

import asyncio

import pytest

from omniroute.errors import UpstreamCutError
from omniroute.upstream.client import Bounds, UpstreamRequest
from omniroute.upstream.fast import FastTransport
from omniroute.upstream.guard import Resolver
from omniroute.upstream.http1 import render_head
from omniroute.upstream.options import TransportOptions
from tests.scripted import CUT, Recorded, Script, respond, scripted_upstream

BOUNDS = Bounds(connect_s=5, first_byte_s=5, idle_s=5)


def make_transport() -> FastTransport:
    return FastTransport(TransportOptions(allow_private_network=True), Resolver())


async def fetch(transport: FastTransport, url: str, body: bytes = b"{}") -> bytes:
    request = UpstreamRequest(method="POST", url=url, headers=(), body=body)
    exchange = await transport.open(request, BOUNDS)
    answer = b""
    while data := await exchange.read():
        answer += data
    await exchange.close()
    return answer


async def test_the_answer_to_one_request_never_reaches_another() -> None:
    """Bytes after the end of an answer close the connection instead of waiting for the next."""

    def script(request: Recorded) -> Script:
        answer = respond(request.body)
        return [answer + answer] if request.connection == 0 else [answer]

    transport = make_transport()
    async with scripted_upstream(script) as up:
        assert [await fetch(transport, up.url, b"1"), await fetch(transport, up.url, b"2")] == [
            b"1",
            b"2",
        ]
    assert [got.connection for got in up.requests] == [0, 1]
    await transport.close()


@pytest.mark.parametrize(
    ("stated", "connections"),
    [("timeout=30", [0, 0]), ("timeout=1, max=5", [0, 1]), ("max=5", [0, 0])],
)
async def test_a_connection_is_not_kept_longer_than_the_server_says(
    stated: str, connections: list[int]
) -> None:
    transport = make_transport()
    async with scripted_upstream([respond(headers=(("keep-alive", stated),))]) as up:
        for _ in connections:
            await fetch(transport, up.url)
    assert [got.connection for got in up.requests] == connections
    await transport.close()


async def test_the_bound_of_one_wait_does_not_end_a_later_one() -> None:
    """The alarm that was set for the head rings in mid-answer, where another bound holds."""
    rest = asyncio.Event()
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
    transport = make_transport()
    async with scripted_upstream([head, rest, b"ok"]) as up:
        request = UpstreamRequest(method="POST", url=up.url, headers=(), body=b"{}")
        bounds = Bounds(connect_s=5, first_byte_s=0.2, idle_s=5)
        exchange = await transport.open(request, bounds)
        asyncio.get_running_loop().call_later(0.3, rest.set)
        assert await exchange.read() == b"ok"
        await exchange.close()
    await transport.close()


async def test_connection_close_is_obeyed() -> None:
    transport = make_transport()
    async with scripted_upstream([respond(headers=(("connection", "close"),))]) as up:
        for _ in range(2):
            await fetch(transport, up.url)
    assert [got.connection for got in up.requests] == [0, 1]
    await transport.close()


async def test_a_request_that_was_sent_is_never_repeated() -> None:
    """A kept connection that dies with the request on it: nobody can know what was done."""

    def script(request: Recorded) -> Script:
        return [CUT] if len(up.requests) == 2 else [respond(b"x")]

    transport = make_transport()
    async with scripted_upstream(script) as up:
        await fetch(transport, up.url)
        with pytest.raises(UpstreamCutError):
            await fetch(transport, up.url)
        assert await fetch(transport, up.url) == b"x"
    assert [got.connection for got in up.requests] == [0, 0, 1]
    await transport.close()


def test_a_head_is_complete() -> None:
    given = (("Host", "evil"), ("Content-Length", "9"), ("User-Agent", "mine"), ("X-A", "ü"))
    assert render_head("POST", "/x", given, host="h:1", body_bytes=2).decode() == (
        "POST /x HTTP/1.1\r\nhost: h:1\r\nUser-Agent: mine\r\nX-A: ü\r\n"
        "accept-encoding: identity\r\naccept: */*\r\ncontent-length: 2\r\n\r\n"
    )


def test_a_get_has_no_length() -> None:
    assert b"content-length" not in render_head("GET", "/", (), host="h", body_bytes=0)


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\0"])
def test_a_value_with_a_line_break_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        render_head("GET", "/", (("x", value),), host="h", body_bytes=0)
    with pytest.raises(ValueError, match="line break"):
        render_head("GET", "/", (), own=(("x", value),), host="h", body_bytes=0)


def test_what_requests_share_is_rendered_once_and_what_is_their_own_each_time() -> None:
    for number in ("1", "2"):
        head = render_head("GET", "/", (("x", "y"),), own=(("id", number),), host="h", body_bytes=0)
        assert head.decode() == (
            "GET / HTTP/1.1\r\nhost: h\r\nx: y\r\naccept-encoding: identity\r\n"
            f"user-agent: omniroute\r\naccept: */*\r\nid: {number}\r\n\r\n"
        )


@pytest.mark.asyncio(loop_factories=["asyncio"])  # uvloop's timers do not ask `time`
async def test_idle_connections_are_closed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    transport = make_transport()
    async with scripted_upstream([respond()]) as up:
        await fetch(transport, up.url)
        later_s = loop.time() + 3600
        monkeypatch.setattr(loop, "time", lambda: later_s)
        for _ in range(2):  # one turn on which the timers are due, one on which they have run
            await asyncio.sleep(0)
        monkeypatch.undo()
        await up.closed()
    await transport.close()
