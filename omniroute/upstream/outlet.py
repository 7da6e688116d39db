"""What it takes to ask one provider through one connection: address, headers, bounds."""

from __future__ import annotations

from msgspec import Struct

from omniroute.upstream.options import TransportOptions


class Outlet(Struct, frozen=True, kw_only=True):
    """One connection, ready to be used: its credential is resolved and in the headers."""

    key: str
    """`provider/connection`."""
    format: str
    base_url: str
    headers: tuple[tuple[str, str], ...]
    transport: TransportOptions
    connect_s: float
    first_byte_s: float
    idle_s: float
