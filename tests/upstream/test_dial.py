"""TLS and proxies, on real sockets, for each client."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import msgspec
import pytest
import trustme

from omniroute.base.secret import Secret
from omniroute.config.model import Tls
from omniroute.errors import (
    BlockedAddressError,
    UpstreamConnectError,
    UpstreamCutError,
    UpstreamError,
)
from omniroute.upstream.client import Bounds, UpstreamRequest
from omniroute.upstream.options import TransportOptions
from omniroute.upstream.pool import TransportPool
from tests.scripted import ScriptedUpstream, respond, scripted_upstream
from tests.upstream.proxies import USER, WORD, http_proxy, socks5_proxy

BOUNDS = Bounds(connect_s=5, first_byte_s=5, idle_s=5)
CREDENTIALS = "user:p%40ss%3Aw"


@pytest.fixture(params=["fast", "httpx"])
def options(request: pytest.FixtureRequest) -> TransportOptions:
    return TransportOptions(client=request.param, allow_private_network=True)


@pytest.fixture
async def pool() -> AsyncGenerator[TransportPool]:
    pool = TransportPool()
    yield pool
    await pool.close()


class Authority:
    """A private CA with files for both sides."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.ca_file)
        client = self.ca.issue_cert("client@example.test")
        self.cert_file, self.key_file = str(folder / "cert.pem"), str(folder / "key.pem")
        for index, blob in enumerate(client.cert_chain_pems):
            blob.write_to_path(self.cert_file, append=index > 0)
        client.private_key_pem.write_to_path(self.key_file)

    def server(self, *names: str, demand: bool = False) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        issued = self.folder / f"{'-'.join(names)}.pem"
        self.ca.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(str(issued))
        context.load_cert_chain(issued)
        if demand:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca_file)
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


async def fetch(pool: TransportPool, options: TransportOptions, url: str) -> bytes:
    request = UpstreamRequest(method="POST", url=url, headers=(), body=b"{}")
    exchange = await pool.get(options).open(request, BOUNDS)
    body = b""
    while data := await exchange.read():
        body += data
    await exchange.close()
    return body


def with_tls(options: TransportOptions, tls: Tls) -> TransportOptions:
    return msgspec.structs.replace(options, tls=tls)


async def test_a_private_ca_is_trusted(
    pool: TransportPool, options: TransportOptions, authority: Authority
) -> None:
    options = with_tls(options, Tls(ca_file=authority.ca_file))
    async with scripted_upstream([respond(b"hi")], tls=authority.server("localhost")) as up:
        url = f"https://localhost:{up.port}/"
        assert [await fetch(pool, options, url) for _ in range(2)] == [b"hi", b"hi"]
    assert [got.connection for got in up.requests] == [0, 0]
    assert up.requests[0].headers["host"] == f"localhost:{up.port}"


@pytest.mark.parametrize("names", [("other.test",), ("localhost",)], ids=["name", "ca"])
async def test_a_certificate_that_does_not_fit_is_a_connect_error(
    pool: TransportPool,
    options: TransportOptions,
    authority: Authority,
    names: tuple[str, ...],
) -> None:
    if names == ("other.test",):
        options = with_tls(options, Tls(ca_file=authority.ca_file))
    async with scripted_upstream([respond()], tls=authority.server(*names)) as up:
        with pytest.raises(UpstreamConnectError, match=r"(?i)certificate"):
            await fetch(pool, options, f"https://localhost:{up.port}/")
    assert up.requests == []


async def test_verification_can_be_turned_off(
    pool: TransportPool, options: TransportOptions, authority: Authority
) -> None:
    options = with_tls(options, Tls(insecure_skip_verify=True))
    async with scripted_upstream([respond(b"hi")], tls=authority.server("other.test")) as up:
        assert await fetch(pool, options, f"https://localhost:{up.port}/") == b"hi"


async def test_a_client_certificate_is_shown(
    pool: TransportPool, options: TransportOptions, authority: Authority
) -> None:
    bare = with_tls(options, Tls(ca_file=authority.ca_file))
    shown = with_tls(
        options,
        Tls(
            ca_file=authority.ca_file,
            cert_file=authority.cert_file,
            key_file=authority.key_file,
        ),
    )
    server = authority.server("localhost", demand=True)
    async with scripted_upstream([respond(b"hi")], tls=server) as up:
        url = f"https://localhost:{up.port}/"
        assert await fetch(pool, shown, url) == b"hi"
        # TLS 1.3 lets the client finish first, so the refusal comes where the answer should.
        with pytest.raises(UpstreamError):
            await fetch(pool, bare, url)


async def test_plain_http_on_the_other_side_is_a_connect_error(
    pool: TransportPool, options: TransportOptions
) -> None:
    async def speak_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(speak_first, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(UpstreamConnectError):
            await fetch(pool, options, f"https://localhost:{port}/")


@pytest.mark.parametrize("option", ["ca_file", "cert_file"])
async def test_an_unusable_file_names_its_option(
    pool: TransportPool, options: TransportOptions, tmp_path: Path, option: str
) -> None:
    tls = msgspec.convert({option: str(tmp_path / "absent.pem")}, Tls)
    with pytest.raises(UpstreamConnectError, match=rf"tls\.{option}"):
        await fetch(pool, with_tls(options, tls), "https://localhost:1/")


def through(options: TransportOptions, url: str) -> TransportOptions:
    return msgspec.structs.replace(options, proxy=Secret(url))


Scheme = Literal["http", "socks5"]
PROXIES = {"http": http_proxy, "socks5": socks5_proxy}


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_https_goes_through_a_tunnel(
    pool: TransportPool, options: TransportOptions, authority: Authority, scheme: Scheme
) -> None:
    options = with_tls(options, Tls(ca_file=authority.ca_file))
    server = authority.server("models.example")
    async with scripted_upstream([respond(b"hi")], tls=server) as up, PROXIES[scheme]() as seen:
        options = through(options, f"{scheme}://{CREDENTIALS}@127.0.0.1:{seen.port}")
        url = f"https://models.example:{up.port}/v1?key=sk-1"
        assert [await fetch(pool, options, url) for _ in range(2)] == [b"hi", b"hi"]
    # The name itself: the proxy resolves. One tunnel: the connection is kept.
    assert seen.asked == [f"models.example:{up.port}"]


async def test_a_proxy_may_itself_speak_tls(
    pool: TransportPool, options: TransportOptions, authority: Authority
) -> None:
    options = with_tls(options, Tls(ca_file=authority.ca_file))
    server, gate = authority.server("models.example"), authority.server("localhost")
    async with scripted_upstream([respond(b"hi")], tls=server) as up, http_proxy(gate) as seen:
        options = through(options, f"https://{CREDENTIALS}@localhost:{seen.port}")
        assert await fetch(pool, options, f"https://models.example:{up.port}/v1") == b"hi"
    assert seen.asked == [f"models.example:{up.port}"]


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_plain_http_goes_through_a_proxy(
    pool: TransportPool, options: TransportOptions, scheme: Scheme
) -> None:
    async with scripted_upstream([respond(b"hi")]) as up, PROXIES[scheme]() as seen:
        options = through(options, f"{scheme}://{CREDENTIALS}@127.0.0.1:{seen.port}")
        assert await fetch(pool, options, f"http://models.example:{up.port}/v1") == b"hi"
    assert up.requests[0].target == "/v1"
    assert up.requests[0].headers["host"] == f"models.example:{up.port}"
    assert "proxy-authorization" not in up.requests[0].headers
    assert f"models.example:{up.port}" in seen.asked[0]


# httpx forgets the socket of a SOCKS proxy that refused, until it is garbage: a warning, and a
# warning is an error here. So these refusals are checked on the other client alone.
@pytest.mark.parametrize(
    ("client", "scheme"), [("fast", "http"), ("fast", "socks5"), ("httpx", "http")]
)
@pytest.mark.parametrize("target", ["http", "https"])
async def test_refused_credentials_are_a_connect_error(
    pool: TransportPool, client: Literal["fast", "httpx"], scheme: Scheme, target: str
) -> None:
    options = TransportOptions(client=client, allow_private_network=True)
    async with PROXIES[scheme]() as seen:
        wrong = through(options, f"{scheme}://{USER}:wrong-word@127.0.0.1:{seen.port}")
        with pytest.raises(UpstreamConnectError) as caught:
            await fetch(pool, wrong, f"{target}://models.example/v1?key=sk-1")
    assert not any(word in str(caught.value) for word in ("wrong-word", WORD, "sk-1"))


async def test_what_a_socks_proxy_cannot_reach_is_a_connect_error(pool: TransportPool) -> None:
    options = TransportOptions(allow_private_network=True)
    async with scripted_upstream([]) as gone:
        pass
    async with socks5_proxy() as seen:
        options = through(options, f"socks5h://{CREDENTIALS}@127.0.0.1:{seen.port}")
        with pytest.raises(UpstreamConnectError):
            await fetch(pool, options, f"http://models.example:{gone.port}/")


@pytest.mark.parametrize(
    ("user", "answers", "message"),
    [
        pytest.param("", b"HT", "does not speak SOCKS5", id="another-protocol"),
        pytest.param("", b"\x05\xff", "another way to authenticate", id="no-method"),
        pytest.param("u:p@", b"\x05\x00", "another way to authenticate", id="no-credentials"),
        pytest.param("u:p@", b"\x05\x02\x01\x01", "not accept the credentials", id="wrong-word"),
        pytest.param("", b"\x05\x00\x05\x05\x00\x00", ": connection refused", id="refused"),
        pytest.param("", b"\x05\x00\x05\x63\x00\x00", ": refused", id="unknown-code"),
        pytest.param("", b"\x05\x00\x04" + bytes(9), "does not speak SOCKS5", id="socks4"),
        pytest.param("", b"\x05\x00\x05\x00", "broke off", id="cut"),
    ],
)
async def test_what_a_socks_proxy_may_say_instead(
    pool: TransportPool, user: str, answers: bytes, message: str
) -> None:
    async with saying(answers) as port:
        options = through(TransportOptions(), f"socks5://{user}127.0.0.1:{port}")
        with pytest.raises(UpstreamConnectError, match=message):
            await fetch(pool, options, "http://models.example/")


async def test_a_socks_proxy_may_name_the_address_it_uses(pool: TransportPool) -> None:
    bound = b"\x03" + bytes([200]) + b"n" * 200 + b"\x00\x50"
    async with saying(b"\x05\x00\x05\x00\x00" + bound) as port:
        options = through(TransportOptions(), f"socks5://127.0.0.1:{port}")
        # The tunnel stands; it is the target that closed without a word.
        with pytest.raises(UpstreamCutError, match="before an answer"):
            await fetch(pool, options, "http://models.example/")


@asynccontextmanager
async def saying(answers: bytes) -> AsyncGenerator[int]:
    """The port of a server that says this to anybody, and no more."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answers)
        writer.write_eof()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_an_unusable_proxy_url_fails_when_it_is_used(
    pool: TransportPool, options: TransportOptions
) -> None:
    with pytest.raises(UpstreamConnectError, match="proxy"):
        await fetch(pool, through(options, "ftp://sk-word@h"), "https://models.example/")


async def test_a_proxy_that_is_away_is_a_connect_error(
    pool: TransportPool, options: TransportOptions
) -> None:
    async with scripted_upstream([]) as gone:
        pass
    for scheme in ("http", "socks5"):
        away = through(options, f"{scheme}://user:sk-word@127.0.0.1:{gone.port}")
        with pytest.raises(UpstreamConnectError) as caught:
            await fetch(pool, away, "https://models.example/")
        assert "sk-word" not in str(caught.value)


@pytest.mark.parametrize("host", ["169.254.169.254", "metadata.google.internal", "2852039166"])
async def test_a_proxy_is_no_way_to_metadata(
    pool: TransportPool, options: TransportOptions, host: str
) -> None:
    async with http_proxy() as seen:
        options = through(options, f"http://{CREDENTIALS}@127.0.0.1:{seen.port}")
        with pytest.raises(BlockedAddressError):
            await fetch(pool, options, f"http://{host}/latest")
    assert seen.asked == []


async def test_a_private_address_is_refused_unless_permitted(
    pool: TransportPool, options: TransportOptions
) -> None:
    strict = msgspec.structs.replace(options, allow_private_network=False)
    async with scripted_upstream([respond(b"hi")]) as up:
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "localhost."):
            url = f"http://{host}:{up.port}/"
            with pytest.raises(BlockedAddressError):
                await fetch(pool, strict, url)
            assert await fetch(pool, options, url) == b"hi"


async def test_a_transport_is_shared_and_let_go(
    pool: TransportPool, options: TransportOptions
) -> None:
    kept, dropped = options, msgspec.structs.replace(options, tls=Tls(insecure_skip_verify=True))
    transport = pool.get(kept)

    async def ask(up: ScriptedUpstream, options: TransportOptions) -> int:
        await fetch(pool, options, up.url)
        return up.requests[-1].connection

    async with scripted_upstream([respond()]) as up:
        assert [await ask(up, kept), await ask(up, dropped)] == [0, 1]
        await pool.retain([kept])
        await up.closed(1)
        assert pool.get(kept) is transport
        assert [await ask(up, kept), await ask(up, dropped)] == [0, 2]
        await up.closed(2)  # who asks for what was let go gets a connection, and it is not kept
        assert [await ask(up, kept), await ask(up, dropped)] == [0, 3]
        await up.closed(3)
        await pool.retain([kept, dropped])
        assert [await ask(up, dropped), await ask(up, dropped)] == [4, 4]


async def test_the_next_address_is_tried(
    pool: TransportPool, options: TransportOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def two_addresses(host: str, port: None, **_: object) -> list[object]:
        assert host == "models.example"
        return [(2, 1, 6, "", (address, 0)) for address in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", two_addresses)
    async with scripted_upstream([respond(b"hi")]) as up:
        assert await fetch(pool, options, f"http://models.example:{up.port}/") == b"hi"
    assert up.requests[0].headers["host"] == f"models.example:{up.port}"
