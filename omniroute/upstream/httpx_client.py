"""The second transport, on httpx: slower, for who prefers a well-known client on the wire.

Only httpx's transport layer is used: no redirects, cookies or environment. Each checked address
has a pool of its own, because the URL then names the address, and connections of different hosts
behind one address must not be mixed up.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Final, cast

import httpx

from omniroute.config.model import Tls
from omniroute.errors import UpstreamConnectError, UpstreamCutError, UpstreamError
from omniroute.upstream.client import Bounds, FileSource, UpstreamRequest
from omniroute.upstream.guard import Resolver, check_host
from omniroute.upstream.http1 import Phase, timeout_error
from omniroute.upstream.inflate import Inflate, undone_headers
from omniroute.upstream.options import TransportOptions
from omniroute.upstream.origin import Origin, split_url
from omniroute.upstream.proxy import Proxy, parse_proxy
from omniroute.upstream.tls import build_context
from omniroute.wire.coding import coding_of

_LIMITS: Final = httpx.Limits(
    max_connections=None, max_keepalive_connections=256, keepalive_expiry=55.0
)
_MAX_POOLS: Final = 64
_SAID_MAX: Final = 200  # characters of the library's own words in a message


class _Pool:
    """One httpx transport, closed when it is retired and its last exchange has ended."""

    def __init__(self, transport: httpx.AsyncHTTPTransport, *, retired: bool) -> None:
        self.transport = transport
        self.running = 0
        self.retired = retired

    async def release(self) -> None:
        self.running -= 1
        if self.retired and self.running == 0:
            await self.transport.aclose()

    async def retire(self) -> None:
        self.retired = True
        if self.running == 0:
            await self.transport.aclose()


class HttpxTransport:
    """One set of options; belongs to one event loop.

    Without `keep_idle` a connection ends with its exchange, as after `close`.
    """

    def __init__(
        self, options: TransportOptions, resolver: Resolver, *, keep_idle: bool = True
    ) -> None:
        self._options = options
        self._resolver = resolver
        self._proxy: Proxy | None = None
        self._proxy_context: ssl.SSLContext | None = None
        self._context: ssl.SSLContext | None = None
        self._pools: dict[tuple[str, str], _Pool] = {}
        self._keep_idle = keep_idle

    async def open(self, request: UpstreamRequest, bounds: Bounds) -> HttpxExchange:
        origin, target = split_url(request.url)
        if self._proxy is None and self._options.proxy is not None:
            self._proxy = parse_proxy(self._options.proxy)
            if self._proxy.scheme == "https":
                # Our certificate and our leniency are for the provider, not for the proxy.
                own_ca = Tls(ca_file=self._options.tls.ca_file)
                self._proxy_context = await asyncio.to_thread(build_context, own_ca)
        if self._context is None:
            self._context = await asyncio.to_thread(build_context, self._options.tls)
        loop = asyncio.get_running_loop()
        at, phase, limit_s = _earlier(
            loop.time() + bounds.connect_s + bounds.first_byte_s,
            "first_byte",
            bounds.first_byte_s,
            bounds.deadline,
        )
        try:
            async with asyncio.timeout_at(at):
                return await self._open(origin, target, request, bounds)
        except TimeoutError:
            raise timeout_error(phase, limit_s) from None

    async def close(self) -> None:
        self._keep_idle = False
        for key in list(self._pools):
            await self._pools.pop(key).retire()

    async def _open(
        self, origin: Origin, target: str, request: UpstreamRequest, bounds: Bounds
    ) -> HttpxExchange:
        if self._proxy is not None:
            check_host(origin.host, allow_private=self._options.allow_private_network)
            hosts: tuple[str, ...] = (origin.host,)
        else:
            hosts = await self._addresses(origin, bounds)
        for left, host in zip(range(len(hosts) - 1, -1, -1), hosts, strict=True):
            pool = await self._pool(origin.host, host)
            try:
                exchange = await _exchange(
                    pool, _build(request, origin, target, host, bounds), bounds
                )
            except UpstreamConnectError:
                if not left:
                    raise
                continue
            if exchange.status == 407 and self._proxy is not None:
                await exchange.close()
                raise UpstreamConnectError("the proxy does not accept the credentials (407)")
            return exchange
        raise UpstreamConnectError(f"{origin.host} has no address")

    async def _addresses(self, origin: Origin, bounds: Bounds) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(bounds.connect_s):
                return await self._resolver.permitted(
                    origin.host, allow_private=self._options.allow_private_network
                )
        except TimeoutError:
            raise timeout_error("connect", bounds.connect_s) from None

    async def _pool(self, host: str, address: str) -> _Pool:
        pool = self._pools.get((host, address))
        if pool is None:
            if len(self._pools) >= _MAX_POOLS:
                await self._pools.pop(next(iter(self._pools))).retire()
            pool = _Pool(
                httpx.AsyncHTTPTransport(
                    verify=cast(ssl.SSLContext, self._context),
                    http1=True,
                    limits=_LIMITS,
                    trust_env=False,
                    proxy=None
                    if self._proxy is None
                    else _httpx_proxy(self._proxy, self._proxy_context),
                ),
                retired=not self._keep_idle,
            )
            if self._keep_idle:
                self._pools[host, address] = pool
        return pool


class HttpxExchange:
    """One answer, its body read raw and decoded in bounded steps."""

    def __init__(self, pool: _Pool, response: httpx.Response, bounds: Bounds) -> None:
        self._pool: _Pool | None = pool
        self._response = response
        self._chunks = aiter(cast(httpx.AsyncByteStream, response.stream))
        self._bounds = bounds
        self.status = response.status_code
        self.headers: Mapping[str, str] = _joined(response.headers)
        coding = coding_of(self.headers)
        self._inflate = None if coding is None else Inflate(coding, self._read)
        if coding is not None:
            self.headers = undone_headers(self.headers)

    async def read(self) -> bytes:
        if self._inflate is None:
            return await self._read()
        return await self._inflate.read()

    async def _read(self) -> bytes:
        if self._pool is None:
            return b""
        at, phase, limit_s = _earlier(
            asyncio.get_running_loop().time() + self._bounds.idle_s,
            "idle",
            self._bounds.idle_s,
            self._bounds.deadline,
        )
        data = b""
        try:
            async with asyncio.timeout_at(at):
                while not data:
                    data = await anext(self._chunks)
        except StopAsyncIteration:
            await self.close()
            return b""
        except TimeoutError:
            await self.close()
            raise timeout_error(phase, limit_s) from None
        except httpx.TransportError as error:
            await self.close()
            raise _translated(error, phase, limit_s) from error
        except BaseException:
            await self.close()
            raise
        return data

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await cast(httpx.AsyncByteStream, self._response.stream).aclose()
        except httpx.TransportError:
            pass  # it is being given up; how it ends changes nothing
        finally:
            await pool.release()


async def _exchange(pool: _Pool, request: httpx.Request, bounds: Bounds) -> HttpxExchange:
    pool.running += 1
    try:
        response = await pool.transport.handle_async_request(request)
    except httpx.TransportError as error:
        await pool.release()
        phase: Phase = "connect" if isinstance(error, httpx.ConnectTimeout) else "first_byte"
        limit_s = bounds.connect_s if phase == "connect" else bounds.first_byte_s
        raise _translated(error, phase, limit_s) from error
    except BaseException:
        await pool.release()
        raise
    try:
        exchange = HttpxExchange(pool, response, bounds)
    except BaseException:
        await response.aclose()
        await pool.release()
        raise
    return exchange


def _build(
    request: UpstreamRequest, origin: Origin, target: str, host: str, bounds: Bounds
) -> httpx.Request:
    shown = f"[{host}]" if ":" in host else host
    dropped = ("host", "accept-encoding", "connection", "content-length", "transfer-encoding")
    sent = (*request.headers, *request.own)
    headers = [(k.encode(), v.encode()) for k, v in sent if k.lower() not in dropped]
    names = {k.lower() for k, _ in headers}
    if request.file is not None:
        headers.append((b"content-length", b"%d" % request.size_bytes()))
    headers = [(b"host", origin.authority().encode()), *headers, (b"accept-encoding", b"identity")]
    headers += [
        (k, v) for k, v in ((b"user-agent", b"omniroute"), (b"accept", b"*/*")) if k not in names
    ]
    return httpx.Request(
        request.method,
        f"{origin.scheme}://{shown}:{origin.port}{target}",
        headers=headers,
        content=request.body if request.file is None else _pieces(request, request.file),
        # Where the URL names an address, TLS has to be told the name. Through a proxy it names the
        # host, and the hint would be taken for the proxy's own name.
        extensions=({} if host == origin.host else {"sni_hostname": origin.host})
        | {
            "timeout": {
                "connect": bounds.connect_s,
                "read": max(bounds.first_byte_s, bounds.idle_s),
                "write": bounds.first_byte_s,
                "pool": bounds.connect_s,
            },
        },
    )


async def _pieces(request: UpstreamRequest, file: FileSource) -> AsyncIterator[bytes]:
    yield request.body
    sent = 0
    while sent < file.size_bytes:
        piece = await file.read(sent)
        sent += len(piece)
        yield piece
    yield request.tail


def _httpx_proxy(proxy: Proxy, context: ssl.SSLContext | None) -> httpx.Proxy:
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    credentials = (proxy.username, proxy.password.reveal()) if proxy.username else None
    return httpx.Proxy(
        f"{proxy.scheme}://{host}:{proxy.port}", auth=credentials, ssl_context=context
    )


def _joined(headers: httpx.Headers) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers.multi_items():
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _earlier(
    at: float, phase: Phase, limit_s: float, deadline: float | None
) -> tuple[float, Phase, float]:
    if deadline is not None and deadline < at:
        return deadline, "total", limit_s
    return at, phase, limit_s


def _translated(error: httpx.TransportError, phase: Phase, limit_s: float) -> UpstreamError:
    if isinstance(error, httpx.TimeoutException):
        return timeout_error(phase, limit_s)
    said = str(error)[:_SAID_MAX] or type(error).__name__
    if isinstance(error, httpx.ConnectError | httpx.ProxyError | httpx.UnsupportedProtocol):
        return UpstreamConnectError(f"no connection: {said}")
    if isinstance(error, httpx.LocalProtocolError):
        # The library quotes the header that it does not take, and that may be the credential.
        return UpstreamConnectError("the request cannot be sent: it would not be HTTP")
    return UpstreamCutError(f"the answer broke off: {said}")
