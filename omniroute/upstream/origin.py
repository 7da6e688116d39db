"""URLs of providers, split strictly: what two parsers could read differently is refused."""

from __future__ import annotations

import re
from typing import Final, Literal, cast
from urllib.parse import quote

from msgspec import Struct

from omniroute.base.chosen import cached_if_short
from omniroute.errors import UpstreamConnectError

# No user info, no backslash, no percent signs in the host: those are where URL parsers disagree,
# and a disagreement between the checked and the dialled host is a hole in the address rules.
_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?"
    r"(?P<target>(?:[/?][^#]*)?)(?:#.*)?",
    re.IGNORECASE | re.DOTALL,
)
_PLAIN_TARGET: Final = re.compile(r"[!-~]+")
_RESERVED: Final = "/?:@!$&'()*+,;=%~[]"


class Origin(Struct, frozen=True, cache_hash=True):
    """Where a connection leads. `host` is lower-case, without brackets and without a last dot."""

    scheme: Literal["http", "https"]
    host: str
    port: int

    def authority(self) -> str:
        """As it stands in a Host header: brackets around IPv6, no default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@cached_if_short(1024)  # some tables put models, which clients name, into paths
def split_url(url: str) -> tuple[Origin, str]:
    """The origin and the request target (path and query, percent-encoded where needed).

    Raises UpstreamConnectError; its message names no part of the URL, which may hold a key.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise UpstreamConnectError("the provider's URL is not a plain http:// or https:// URL")
    scheme = cast(Literal["http", "https"], match["scheme"].lower())
    port = int(match["port"]) if match["port"] else (443 if scheme == "https" else 80)
    host = match["host"].strip("[]").rstrip(".").lower()
    if not host or not 0 < port < 65536:
        raise UpstreamConnectError("the provider's URL has no usable host or port")
    target = match["target"] or "/"
    if target[0] == "?":
        target = "/" + target
    if not _PLAIN_TARGET.fullmatch(target):
        target = quote(target, safe=_RESERVED)
    return Origin(scheme, host, port), target
