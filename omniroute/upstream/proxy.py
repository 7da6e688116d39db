"""Which proxy a request goes through: connection, provider, settings, then the environment."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from omniroute.base.secret import Secret
from omniroute.errors import UpstreamConnectError
from omniroute.upstream.origin import Origin, split_url

DIRECT: Final = "direct"
"""As a proxy's value: none at all, whatever the levels below say."""

ProxyScheme = Literal["http", "https", "socks5"]
_PORTS: Final[Mapping[ProxyScheme, int]] = {"http": 80, "https": 443, "socks5": 1080}


class Proxy(Struct, frozen=True, kw_only=True):
    """A proxy's address and what it wants to know of us."""

    scheme: ProxyScheme
    host: str
    port: int
    username: str = ""
    password: Secret = Secret("")

    def __str__(self) -> str:
        return f"{self.scheme} proxy {self.host}:{self.port}"


def parse_proxy(url: Secret) -> Proxy:
    """`http://user:pass@host:8080`, `https://…`, `socks5://…`; names are resolved by the proxy.

    Raises UpstreamConnectError, whose message does not repeat the URL: it may hold a password.
    """
    text = url.reveal().strip()
    if "://" not in text:
        text = f"http://{text}"  # as HTTP_PROXY is often written
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise UpstreamConnectError("the proxy's URL is malformed") from None
    scheme = {"socks5h": "socks5", "socks": "socks5"}.get(parts.scheme, parts.scheme)
    if scheme not in _PORTS or not host:
        raise UpstreamConnectError("the proxy's URL must be http://, https:// or socks5://")
    return Proxy(
        scheme=scheme,
        host=host,
        port=port or _PORTS[scheme],
        username=unquote(parts.username or ""),
        password=Secret(unquote(parts.password or "")),
    )


def choose_proxy(
    url: str,
    *,
    connection: Secret | None,
    provider: Secret | None,
    settings: Secret | None,
    environment: Mapping[str, str],
) -> Secret | None:
    """The first level that says something decides; `direct` says: no proxy.

    Empty text, as an unset `${env:PROXY:-}` gives, says nothing. `HTTP_PROXY`, `HTTPS_PROXY`,
    `ALL_PROXY` and `NO_PROXY` (either case) count only when no level of the configuration speaks.
    """
    for level in (connection, provider, settings):
        if level:
            return None if level.reveal() == DIRECT else level
    try:
        origin, _ = split_url(url)
    except UpstreamConnectError:
        return None  # not a URL to connect to: `open` says so, or it is the echo provider's
    for name in (f"{origin.scheme}_proxy", "all_proxy"):
        value = environment.get(name) or environment.get(name.upper())
        if value:
            exempt = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
            return None if _is_exempt(origin, exempt) else Secret(value)
    return None


def _is_exempt(origin: Origin, no_proxy: str) -> bool:
    """Names match themselves and their subdomains, networks their addresses, `*` everything."""
    for entry in (part.strip().lower() for part in no_proxy.split(",")):
        if entry == "*":
            return True
        name, _, port = entry.partition(":") if entry.count(":") == 1 else (entry, "", "")
        if not name or (port and port != str(origin.port)):
            continue
        try:
            if ip_address(origin.host) in ip_network(
                name.replace("[", "").replace("]", ""), strict=False
            ):
                return True
        except ValueError:
            name = name.removeprefix("*").removeprefix(".")
            if origin.host == name or origin.host.endswith(f".{name}"):
                return True
    return False
