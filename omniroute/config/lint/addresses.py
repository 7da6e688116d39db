"""Rules about addresses: networks, the listener, base URLs and proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final
from urllib.parse import SplitResult, urlsplit

from omniroute.config.diagnostics import Diagnostic, Path, error, warning
from omniroute.config.lint.facts import LintFacts
from omniroute.config.model import Provider
from omniroute.config.refs import RefSyntaxError, has_refs, parse_refs
from omniroute.config.yamltree import Scalar, Seq

_OPENAI: Final = ("/chat/completions", "/completions", "/embeddings", "/responses", "/models")
_TOO_MUCH: Final = {
    "openai-chat": _OPENAI,
    "openai-responses": _OPENAI,
    "anthropic": ("/v1", "/v1/messages", "/messages"),
    "gemini": ("/v1", "/v1beta", "/v1beta/models", "/models"),
    "ollama": ("/api", "/api/chat", "/api/generate", "/v1"),
}
"""Path ends that the format itself adds; in a base URL they would stand twice."""
_WANTS_VERSION: Final = frozenset({"openai-chat", "openai-responses"})
_PROXY_SCHEMES: Final = ("http", "https", "socks5", "socks5h")


def bad_network(facts: LintFacts) -> Iterator[Diagnostic]:
    places: tuple[Path, ...] = (
        ("server", "trusted_proxies"),
        ("ip_filter", "allow"),
        ("ip_filter", "deny"),
    )
    for text, path in (found for place in places for found in _texts(facts, place)):
        try:
            ipaddress.ip_network(text)
        except ValueError:
            yield error(
                "OR410",
                facts.value_mark(path),
                f'"{text}" is not a network',
                path=path,
                hint=_network_hint(text),
            )


def _network_hint(text: str) -> str:
    try:
        return f"bits after the prefix are set; write {ipaddress.ip_network(text, strict=False)}"
    except ValueError:
        return "for example 10.0.0.0/8, 192.168.1.7 or fd00::/8"


def bad_listen_host(facts: LintFacts) -> Iterator[Diagnostic]:
    host = facts.config.server.host
    bare = host.removeprefix("[").removesuffix("]")
    is_address = _address(bare) is not None
    if not is_address and any(char in host for char in "/: @"):
        yield error(
            "OR411",
            facts.value_mark(("server", "host")),
            f'"{host}" is not an address to listen on',
            path=("server", "host"),
            hint="write the address alone, such as 127.0.0.1 or ::1; the port is `server.port`",
        )


def bad_origin(facts: LintFacts) -> Iterator[Diagnostic]:
    for text, path in _texts(facts, ("server", "cors", "origins")):
        if text != "*" and not _is_origin(text):
            yield error(
                "OR412",
                facts.value_mark(path),
                f'"{text}" is not an origin',
                path=path,
                hint="scheme, host and port alone, such as https://chat.example; or `*`",
            )


def _is_origin(text: str) -> bool:
    parts = _split(text)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        return False
    return text == f"{parts.scheme}://{parts.netloc}"


def bad_base_url(facts: LintFacts) -> Iterator[Diagnostic]:
    for url, path, _provider in _base_urls(facts):
        parts = _split(url)
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            yield error(
                "OR510",
                facts.value_mark(path),
                f'"{url}" is not an http:// or https:// URL',
                path=path,
                hint="for example https://api.example.com/v1",
            )


def credentials_in_url(facts: LintFacts) -> Iterator[Diagnostic]:
    for url, path, _provider in _base_urls(facts):
        parts = _split(url)
        if parts is not None and "@" in parts.netloc:
            yield error(
                "OR511",
                facts.value_mark(path),
                "the URL holds a user name or a password",
                path=path,
                hint="use `api_key`, or a header with a reference",
            )


def query_in_base_url(facts: LintFacts) -> Iterator[Diagnostic]:
    for url, path, _provider in _base_urls(facts):
        parts = _split(url)
        if parts is not None and (parts.query or parts.fragment or url.endswith(("?", "#"))):
            yield error(
                "OR512",
                facts.value_mark(path),
                "a base URL has no query and no fragment",
                path=path,
                hint="paths are added at its end; remove everything from the `?` or `#` on",
            )


def private_address(facts: LintFacts) -> Iterator[Diagnostic]:
    for url, path, provider in _base_urls(facts):
        parts = _split(url)
        if parts is None or provider.allow_private_network:
            continue
        if _is_private(parts.hostname or ""):
            yield error(
                "OR513",
                facts.value_mark(path),
                f"{parts.hostname} is not a public address: every request would be refused",
                path=path,
                hint=f"set `allow_private_network: true` in provider {provider.id} if it is meant",
            )


def base_url_convention(facts: LintFacts) -> Iterator[Diagnostic]:
    for url, path, provider in _base_urls(facts):
        parts = _split(url)
        if parts is None or not parts.hostname:
            continue
        tail = parts.path.rstrip("/")
        extra = [end for end in _TOO_MUCH.get(provider.format, ()) if tail.endswith(end)]
        if extra:
            longest = max(extra, key=len)
            right = url.rstrip("/").removesuffix(longest)
            message = f"{provider.format} adds {longest} itself"
            hint = f"write {right}"
        elif provider.format in _WANTS_VERSION and not tail:
            message = f"a base URL of {provider.format} usually ends with /v1"
            hint = f"write {url.rstrip('/')}/v1, as for the official SDK"
        else:
            continue
        yield warning("OR514", facts.value_mark(path), message, path=path, hint=hint)


def key_over_plain_http(facts: LintFacts) -> Iterator[Diagnostic]:
    for url, path, provider in _base_urls(facts):
        parts = _split(url)
        if parts is None or parts.scheme != "http" or not parts.hostname:
            continue
        has_key = any(connection.api_key for connection in provider.connections.values())
        # A name without a dot is a neighbour (a container, a Kubernetes service), not the internet.
        public = "." in parts.hostname and not _is_private(parts.hostname)
        if has_key and public and not parts.hostname.endswith((".local", ".internal", ".svc")):
            yield warning(
                "OR515",
                facts.value_mark(path),
                f"the API key travels to {parts.hostname} without encryption",
                path=path,
                hint="use https://",
            )


def bad_proxy_url(facts: LintFacts) -> Iterator[Diagnostic]:
    for text, path in proxy_texts(facts):
        parts = _split(_with_placeholders(text))
        good = parts is not None and parts.scheme in _PROXY_SCHEMES and parts.hostname
        # All of it may come from the environment; then there is nothing to look at.
        if not good and not text.startswith("${"):
            yield error(
                "OR516",
                facts.value_mark(path),
                "this is not a proxy URL",
                path=path,
                hint="http://host:3128, https://…, socks5://host:1080 or socks5h://…",
            )


def proxy_texts(facts: LintFacts) -> Iterator[tuple[str, Path]]:
    """Every proxy setting as it stands in the file, with its path."""
    config = facts.config
    if config.settings.proxy is not None:
        yield config.settings.proxy.text, ("settings", "proxy")
    for provider in config.providers.values():
        if provider.proxy is not None:
            yield provider.proxy.text, ("providers", provider.id, "proxy")
        for connection in provider.connections.values():
            if connection.proxy is not None:
                path = ("providers", provider.id, "connections", connection.id, "proxy")
                yield connection.proxy.text, path


def _base_urls(facts: LintFacts) -> Iterator[tuple[str, Path, Provider]]:
    """Base URLs that the file itself gives; a preset's are the catalog's business."""
    for provider in facts.config.providers.values():
        path = ("providers", provider.id, "base_url")
        if facts.has(path) and not has_refs(provider.base_url):
            yield provider.base_url, path, provider
        for connection in provider.connections.values():
            if connection.base_url is not None and not has_refs(connection.base_url):
                inner = ("providers", provider.id, "connections", connection.id, "base_url")
                yield connection.base_url, inner, provider


def _texts(facts: LintFacts, path: Path) -> Iterator[tuple[str, Path]]:
    node = facts.node(path)
    for index, item in enumerate(node.items if isinstance(node, Seq) else ()):
        if isinstance(item, Scalar) and isinstance(item.value, str):
            yield item.value, (*path, index)


def _split(url: str) -> SplitResult | None:
    """The URL's parts, None when it has none: urlsplit raises on a bad port or bracket."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return None if any(char.isspace() for char in url) else parts


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_private(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and not address.is_global


def _with_placeholders(text: str) -> str:
    try:
        parts = parse_refs(text)
    except RefSyntaxError:
        return text
    # A port may come from the environment as well, so the stand-in is a number.
    return "".join(part if isinstance(part, str) else "1" for part in parts)
