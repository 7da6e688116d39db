"""The proxies of the configuration, setting them, and trying one."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from msgspec import UNSET, Meta, Struct, UnsetType

from omniroute.base.secret import Secret
from omniroute.config.masking import FileMask
from omniroute.config.model import Ref
from omniroute.config.refs import has_refs
from omniroute.errors import RequestError, UpstreamError
from omniroute.management.connections import declared
from omniroute.management.entries import unknown
from omniroute.management.writeback import Author, change_config
from omniroute.request.provider import words_of
from omniroute.upstream.client import Bounds, UpstreamRequest
from omniroute.upstream.options import ECHO_SCHEME, TransportOptions
from omniroute.worker.runtime import Runtime

TRY_S: Final = 10.0
Host = Annotated[str, Meta(min_length=1, max_length=253)]
Port = Annotated[int, Meta(ge=1, le=65535)]


class ProxyParts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A proxy as clients of the original say it. A `password` has to be a reference."""

    type: Literal["http", "https", "socks5"] = "http"
    host: Host
    port: Port
    username: str = ""
    password: str = ""


ProxyUrl = Annotated[str, Meta(min_length=1, max_length=2048)] | ProxyParts
"""`http://user:${env:PROXY_PASS}@host:8080`, or its parts."""


class ProxyReport(Struct, frozen=True, kw_only=True, rename={"for_all": "global"}):
    """The proxies that are declared, passwords as references or masked. The first that says
    something decides: of a connection, its provider, `global`, the environment."""

    for_all: str | None
    providers: dict[str, str]
    connections: dict[str, str]
    """By `provider/name`."""


class ProxyChange(
    Struct, frozen=True, kw_only=True, rename={"for_all": "global"}, forbid_unknown_fields=True
):
    """What is left out stays, null takes it away."""

    for_all: ProxyUrl | UnsetType | None = UNSET
    providers: dict[str, ProxyUrl | None] = {}
    connections: dict[str, ProxyUrl | None] = {}


class ProxyTrial(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A proxy, and what to ask through it: `url`, else the first declared provider."""

    proxy: ProxyUrl
    url: Annotated[str, Meta(min_length=1, max_length=2048)] | None = None


class ProxyVerdict(Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether something was answered through the proxy, whatever its status."""

    success: bool
    error: str | None
    latency_ms: float
    proxy_url: str


def proxies(runtime: Runtime) -> ProxyReport:
    config = runtime.snapshot.config
    of_providers = {one.id: one.proxy for one in config.providers.values()}
    of_connections = {f"{at.id}/{one.id}": one.proxy for at, one in declared(config)}
    return ProxyReport(
        for_all=_shown(runtime, config.settings.proxy),
        providers=_all_shown(runtime, of_providers),
        connections=_all_shown(runtime, of_connections),
    )


async def change_proxies(runtime: Runtime, wanted: ProxyChange, *, author: Author) -> ProxyReport:
    """Raises RequestError: 404 for an unknown provider or connection, and as `change_config`."""

    def change(tree: dict[str, Any]) -> None:
        if wanted.for_all is not UNSET:
            settings = dict(tree.get("settings") or {})
            _put(settings, wanted.for_all)
            if settings:
                tree["settings"] = settings
            else:
                tree.pop("settings", None)
        for name, proxy in wanted.providers.items():
            _put(_entry(tree, "providers", name), proxy)
        for id, proxy in wanted.connections.items():
            provider, _, name = id.partition("/")
            _put(_entry(tree, "providers", provider, "connections", name), proxy)

    await change_config(runtime, change, author=author)
    return proxies(runtime)


async def try_proxy(runtime: Runtime, trial: ProxyTrial) -> ProxyVerdict:
    """Raises RequestError (400) where nothing is named that could be asked."""
    url = trial.url or next(
        (
            provider.base_url
            for provider in runtime.snapshot.config.providers.values()
            if not provider.base_url.startswith(ECHO_SCHEME)
        ),
        None,
    )
    if url is None:
        raise RequestError("invalid_request", "say what to ask through it", param="url")
    proxy, loop = Secret(_url(trial.proxy)), asyncio.get_running_loop()
    began = loop.time()
    bounds = Bounds(connect_s=TRY_S, first_byte_s=TRY_S, idle_s=TRY_S, deadline=began + TRY_S)
    request = UpstreamRequest(method="GET", url=url, headers=())
    error = None
    try:
        exchange = await runtime.transports.get(TransportOptions(proxy=proxy)).open(request, bounds)
        await exchange.close()
    except UpstreamError as failed:
        error = words_of(failed, runtime.snapshot.redact)
    return ProxyVerdict(
        success=error is None,
        error=error,
        latency_ms=round((loop.time() - began) * 1000, 1),
        proxy_url=_without_user(proxy.reveal()),
    )


def _entry(tree: dict[str, Any], *names: str) -> dict[str, Any]:
    here: Any = tree
    for at, name in enumerate(names):
        if name not in (here or {}):
            raise unknown(names[:at], name)
        if here[name] is None:
            here[name] = {}
        here = here[name]
    return here


def _put(entry: dict[str, Any], proxy: ProxyUrl | None) -> None:
    if proxy is None:
        entry.pop("proxy", None)
    else:
        entry["proxy"] = _url(proxy)


def _url(proxy: ProxyUrl) -> str:
    if isinstance(proxy, str):
        password = proxy.rpartition("://")[2].rpartition("@")[0].partition(":")[2]
        _refuse_spelled_out(password)
        return proxy
    _refuse_spelled_out(proxy.password)
    user = quote(proxy.username, safe="")
    who = f"{user}:{proxy.password}@" if proxy.password else f"{user}@" if user else ""
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    return f"{proxy.type}://{who}{host}:{proxy.port}"


def _refuse_spelled_out(password: str) -> None:
    if password and not has_refs(password):
        message = "a password has to be a reference, as ${env:PROXY_PASS}"
        raise RequestError("invalid_request", message, param="password")


def _without_user(url: str) -> str:
    scheme, mark, rest = url.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def _all_shown(runtime: Runtime, refs: dict[str, Ref | None]) -> dict[str, str]:
    shown = {name: _shown(runtime, ref) for name, ref in refs.items()}
    return {name: text for name, text in shown.items() if text is not None}


def _shown(runtime: Runtime, ref: Ref | None) -> str | None:
    """A proxy with references as they are written and no password."""
    return None if ref is None else FileMask()(runtime.snapshot.redact(ref.text))
