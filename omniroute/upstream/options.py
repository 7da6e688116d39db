"""What distinguishes one pool of connections from another, as a value."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from omniroute.base.secret import Secret
from omniroute.config.model import Provider, Tls

ECHO_SCHEME = "echo:"


class TransportOptions(Struct, frozen=True, kw_only=True, cache_hash=True):
    """Hashable: requests with equal options share connections. `proxy` None means direct."""

    client: Literal["fast", "httpx", "echo"] = "fast"
    tls: Tls = Tls()
    proxy: Secret | None = None
    allow_private_network: bool = False


def transport_options(
    provider: Provider, *, base_url: str, proxy: Secret | None
) -> TransportOptions:
    """The options for requests to `base_url` (the connection's own, or the provider's)."""
    if base_url.startswith(ECHO_SCHEME):
        return TransportOptions(client="echo")
    return TransportOptions(
        client=provider.client,
        tls=provider.tls,
        proxy=proxy,
        allow_private_network=provider.allow_private_network,
    )
