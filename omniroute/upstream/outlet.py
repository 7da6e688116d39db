"""What it takes to ask one provider through one connection: address, headers, bounds."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from msgspec import Struct

from omniroute.upstream.client import Bounds
from omniroute.upstream.options import TransportOptions

Headers = tuple[tuple[str, str], ...]


class Outlet(Struct, frozen=True, kw_only=True):
    """One connection, ready to be used: its credential is resolved and in the headers."""

    key: str
    """`provider/connection`."""
    format: str
    base_url: str
    headers: Headers
    transport: TransportOptions
    connect_s: float
    first_byte_s: float
    idle_s: float
    query: tuple[tuple[str, str], ...] = ()
    """Sent with every request."""
    per_model: bool = False
    """The base URL holds `{model}`."""

    def url(self, path: str, query: Iterable[tuple[str, str]] = (), *, model: str = "") -> str:
        """`path` goes onto the base URL as it is, `query` percent-encoded."""
        url = self.base_url + path
        if self.per_model:
            url = self.base_url.replace("{model}", quote(model, safe="")) + path
        pairs = "&".join(f"{quote(name)}={quote(value)}" for name, value in (*self.query, *query))
        return f"{url}{'&' if '?' in url else '?'}{pairs}" if pairs else url

    def bounds(self, deadline: float | None = None) -> Bounds:
        """The waits of one exchange; `deadline` is a time of the running loop."""
        return Bounds(
            connect_s=self.connect_s,
            first_byte_s=self.first_byte_s,
            idle_s=self.idle_s,
            deadline=deadline,
        )
