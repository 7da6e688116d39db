"""Opening connections: address rules, TCP, proxies, TLS, all in one bounded wait."""

from __future__ import annotations

import asyncio
import os
import ssl
from base64 import b64encode
from collections.abc import Callable
from typing import TypeVar, cast

from socksio import ProtocolError, socks5

from omniroute.config.model import Tls
from omniroute.errors import UpstreamConnectError
from omniroute.upstream.guard import Resolver, check_host, literal_address
from omniroute.upstream.http1 import Http1Connection, timeout_error
from omniroute.upstream.options import TransportOptions
from omniroute.upstream.origin import Origin
from omniroute.upstream.proxy import Proxy, parse_proxy
from omniroute.upstream.tls import build_context

_P = TypeVar("_P", bound=asyncio.BaseProtocol)


class Dialer:
    """Dials for one set of options; TLS contexts are built once, at the first need."""

    def __init__(self, options: TransportOptions, resolver: Resolver) -> None:
        self._options = options
        self._resolver = resolver
        self._proxy: Proxy | None = None
        self._contexts: dict[Tls, ssl.SSLContext] = {}

    def forward_headers(self, origin: Origin) -> tuple[tuple[str, str], ...] | None:
        """For plain http through an HTTP proxy, which takes whole URLs; None otherwise.

        Raises UpstreamConnectError when the proxy's URL cannot be used.
        """
        proxy = self._via()
        if proxy is None or proxy.scheme == "socks5" or origin.scheme == "https":
            return None
        return _basic(proxy)

    def _via(self) -> Proxy | None:
        if self._proxy is None and self._options.proxy is not None:
            self._proxy = parse_proxy(self._options.proxy)
        return self._proxy

    async def dial(
        self, origin: Origin, connect_s: float, deadline: float | None
    ) -> Http1Connection:
        """A connection ready for `send`.

        Raises UpstreamConnectError, BlockedAddressError or UpstreamTimeoutError; whatever it is,
        nothing of the request was sent.
        """
        at = asyncio.get_running_loop().time() + connect_s
        late = timeout_error("connect", connect_s)
        if deadline is not None and deadline < at:
            at, late = deadline, timeout_error("total", 0)
        try:
            async with asyncio.timeout_at(at):
                proxy = self._via()
                if proxy is None:
                    return await self._direct(origin, at)
                return await self._proxied(origin, proxy, at)
        except TimeoutError:
            raise late from None

    async def _direct(self, origin: Origin, at: float) -> Http1Connection:
        addresses = await self._resolver.permitted(
            origin.host, allow_private=self._options.allow_private_network
        )
        context = await self._context(self._options.tls) if origin.scheme == "https" else None
        _, connection = await _first(
            addresses, origin.port, Http1Connection, at=at, context=context, host=origin.host
        )
        return connection

    async def _proxied(self, origin: Origin, proxy: Proxy, at: float) -> Http1Connection:
        check_host(origin.host, allow_private=self._options.allow_private_network)
        addresses = await self._resolver.any(proxy.host)
        own_ca = Tls(ca_file=self._options.tls.ca_file)
        context = await self._context(own_ca) if proxy.scheme == "https" else None
        if self.forward_headers(origin) is not None:
            _, connection = await _first(
                addresses, proxy.port, Http1Connection, at=at, context=context, host=proxy.host
            )
            return connection
        transport, greeter = await _first(
            addresses, proxy.port, _Greeter, at=at, context=context, host=proxy.host
        )
        try:
            greet = _socks5 if proxy.scheme == "socks5" else _http_connect
            await greet(greeter.reader, transport, proxy, origin)
            connection = Http1Connection()
            if origin.scheme == "https":
                context = await self._context(self._options.tls)
                tunnel = await asyncio.get_running_loop().start_tls(
                    transport, connection, context, server_hostname=origin.host
                )
                connection.connection_made(cast(asyncio.Transport, tunnel))
            else:
                transport.set_protocol(connection)
                connection.connection_made(transport)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            transport.abort()
            raise UpstreamConnectError(f"the {proxy} broke off") from error
        except OSError as error:
            transport.abort()
            raise UpstreamConnectError(f"{origin} through the {proxy}: {_why(error)}") from error
        except BaseException:
            transport.abort()
            raise
        return connection

    async def _context(self, tls: Tls) -> ssl.SSLContext:
        context = self._contexts.get(tls)
        if context is None:
            context = self._contexts[tls] = await asyncio.to_thread(build_context, tls)
        return context


class _Greeter(asyncio.StreamReaderProtocol):
    """Reads what a proxy says before the connection is handed over."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader()
        super().__init__(self.reader)


async def _first(
    addresses: tuple[str, ...],
    port: int,
    make_protocol: Callable[[], _P],
    *,
    at: float,
    context: ssl.SSLContext | None,
    host: str,
) -> tuple[asyncio.Transport, _P]:
    """The first address that answers; each gets an even share of the time that is left."""
    loop = asyncio.get_running_loop()
    failure = UpstreamConnectError(f"{host} has no address")
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        share_s = (at - loop.time()) / left
        try:
            async with asyncio.timeout(share_s if left > 1 else None):
                transport, protocol = await loop.create_connection(
                    make_protocol,
                    address,
                    port,
                    ssl=context,
                    server_hostname=None if context is None else host,
                )
        except OSError as error:
            if left > 1 and isinstance(error, TimeoutError):
                continue
            failure = UpstreamConnectError(f"{host}:{port}: {_why(error)}")
            failure.__cause__ = error
        else:
            return transport, protocol
    raise failure


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or 'no reason given'})"
    if error.errno:
        return os.strerror(error.errno).lower()
    return "the connection was closed" if isinstance(error, ConnectionError) else "unreachable"


def _basic(proxy: Proxy) -> tuple[tuple[str, str], ...]:
    if not proxy.username:
        return ()
    credentials = f"{proxy.username}:{proxy.password.reveal()}".encode()
    return (("proxy-authorization", f"Basic {b64encode(credentials).decode()}"),)


async def _http_connect(
    reader: asyncio.StreamReader, transport: asyncio.Transport, proxy: Proxy, origin: Origin
) -> None:
    """RFC 9110, 9.3.6."""
    lines = [f"CONNECT {origin} HTTP/1.1", f"Host: {origin}"]
    lines += [f"{name}: {value}" for name, value in _basic(proxy)]
    transport.write("\r\n".join([*lines, "", ""]).encode())
    head = await reader.readuntil(b"\r\n\r\n")
    status = head.split(b"\r\n", 1)[0].split(b" ")[1:2]
    if status == [b"407"]:
        raise UpstreamConnectError(f"the {proxy} does not accept the credentials (407)")
    if not status or not status[0].startswith(b"2"):
        said = status[0][:3].decode("latin-1") if status else "nonsense"
        raise UpstreamConnectError(f"the {proxy} refused to connect to {origin} ({said})")


async def _socks5(
    reader: asyncio.StreamReader, transport: asyncio.Transport, proxy: Proxy, origin: Origin
) -> None:
    """RFC 1928 and 1929; the name goes to the proxy, which resolves it."""
    method = socks5.SOCKS5AuthMethod.NO_AUTH_REQUIRED
    if proxy.username:
        method = socks5.SOCKS5AuthMethod.USERNAME_PASSWORD
    transport.write(socks5.SOCKS5AuthMethodsRequest([method]).dumps())
    try:
        chosen = socks5.SOCKS5AuthReply.loads(await reader.readexactly(2)).method
    except ProtocolError:
        raise UpstreamConnectError(f"the {proxy} does not speak SOCKS5") from None
    if chosen != method:
        raise UpstreamConnectError(f"the {proxy} wants another way to authenticate")
    if method == socks5.SOCKS5AuthMethod.USERNAME_PASSWORD:
        name, word = proxy.username.encode(), proxy.password.reveal().encode()
        if len(name) > 255 or len(word) > 255:
            raise UpstreamConnectError(f"the {proxy} takes no credentials as long as these")
        transport.write(socks5.SOCKS5UsernamePasswordRequest(name, word).dumps())
        answer = await reader.readexactly(2)
        if not socks5.SOCKS5UsernamePasswordReply.loads(answer).success:
            raise UpstreamConnectError(f"the {proxy} does not accept the credentials")
    target = (str(literal_address(origin.host) or origin.host), origin.port)
    connect = socks5.SOCKS5Command.CONNECT
    transport.write(socks5.SOCKS5CommandRequest.from_address(connect, target).dumps())
    # Whole replies are not asked of a proxy that refuses: some end theirs behind the code.
    head = await reader.readexactly(4)
    if head[1] != 0:
        said = _socks_refusal(head[1:2])
        raise UpstreamConnectError(f"the {proxy} could not connect to {origin}: {said}")
    size = {1: 4, 4: 16}.get(head[3]) or (await reader.readexactly(1))[0]
    try:
        socks5.SOCKS5Reply.loads(head + await reader.readexactly(size + 2))
    except ProtocolError:
        raise UpstreamConnectError(f"the {proxy} does not speak SOCKS5") from None


def _socks_refusal(code: bytes) -> str:
    try:
        return socks5.SOCKS5ReplyCode(code).name.lower().replace("_", " ")
    except ValueError:
        return "refused"
