"""Outbound address rules: what a provider's URL may lead to, judged on the resolved address.

Names are resolved here, every address is checked, and the connection is made to the checked
address, so a name that changes its mind between check and connect gains nothing. Metadata services
stay out of reach even where private networks are allowed: nothing that a provider is runs there,
and what does run there hands out credentials.
"""

from __future__ import annotations

import asyncio
import re
import socket
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

from msgspec import Struct

from omniroute.errors import BlockedAddressError, UpstreamConnectError

Address = IPv4Address | IPv6Address

_METADATA: Final = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google and most others
        "169.254.170.2",  # AWS container credentials
        "169.254.170.23",  # AWS pod identity
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",  # Google, IPv6
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure host agent, a public address by its number
        "192.0.0.192",  # Oracle
    )
)
_METADATA_NAMES: Final = frozenset(
    {"metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"}
)
# IANA special-purpose registries, read as "not somebody's public server".
_CLOSED_V4: Final[tuple[tuple[IPv4Network, str], ...]] = tuple(
    (IPv4Network(net), why)
    for net, why in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "reserved"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "reserved"),
        ("198.51.100.0/24", "reserved"),
        ("203.0.113.0/24", "reserved"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_CLOSED_V6: Final[tuple[tuple[IPv6Network, str], ...]] = tuple(
    (IPv6Network(net), why)
    for net, why in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),
        ("ff00::/8", "multicast"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "reserved"),
        ("3fff::/20", "reserved"),
    )
)
_GLOBAL_V6: Final = ip_network("2000::/3")
_NAT64: Final = ip_network("64:ff9b::/96")
_MAPPED: Final = ip_network("::ffff:0:0/96")
_TRANSLATED: Final = ip_network("::ffff:0:0:0/96")
_COMPATIBLE: Final = ip_network("::/96")
_SIX_TO_FOUR: Final = ip_network("2002::/16")
_NUMERIC_HOST: Final = re.compile(r"(?:.*\.)?(?:\d+|0[xX][0-9a-fA-F]*)")
_FRESH_S: Final = 30.0  # long enough to spare look-ups, short enough to follow a DNS change
_STALE_S: Final = 300.0  # how long an old answer bridges a resolver that fails
_MAX_NAMES: Final = 4096


def literal_address(host: str) -> Address | None:
    """The address that `host` spells, also as `2130706433`, `0x7f.1` or `0177.0.0.1`.

    None for a name. Raises UpstreamConnectError for what looks like a number but is no address.
    """
    if ":" in host:
        try:
            return IPv6Address(host)
        except ValueError:
            raise UpstreamConnectError("the provider's host is not an IPv6 address") from None
    if _NUMERIC_HOST.fullmatch(host) is None:
        return None
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        raise UpstreamConnectError("the provider's host is not an IPv4 address") from None


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a translating or tunnelling IPv6 address really leads to."""
    if address in _SIX_TO_FOUR:
        return IPv4Address((int(address) >> 80) & 0xFFFFFFFF)
    if any(address in net for net in (_NAT64, _MAPPED, _TRANSLATED)):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _COMPATIBLE and int(address) > 1:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def address_refusal(address: Address, *, allow_private: bool) -> str | None:
    """Why `address` must not be connected to; None when it may."""
    if isinstance(address, IPv6Address):
        inner = _embedded(address)
        if inner is not None:
            return address_refusal(inner, allow_private=allow_private)
    if address in _METADATA:
        return "a cloud metadata"
    if address.is_multicast:
        return "a multicast"
    if allow_private:
        return None
    if isinstance(address, IPv4Address):
        return next((f"a {why}" for net, why in _CLOSED_V4 if address in net), None)
    closed = next((f"a {why}" for net, why in _CLOSED_V6 if address in net), None)
    return closed or (None if address in _GLOBAL_V6 else "a reserved")


def name_refusal(host: str, *, allow_private: bool) -> str | None:
    """Why the name alone is refused; all that can be judged when a proxy does the resolving."""
    if host in _METADATA_NAMES:
        return "a cloud metadata"
    if not allow_private and (host == "localhost" or host.endswith((".localhost", ".local"))):
        return "a loopback or local"
    return None


def check_host(host: str, *, allow_private: bool) -> Address | None:
    """Refuse forbidden literals and names without resolving; the address when `host` is one."""
    address = literal_address(host)
    if address is None:
        why = name_refusal(host, allow_private=allow_private)
    else:
        why = address_refusal(address, allow_private=allow_private)
    if why is not None:
        raise _blocked(host, why, allow_private=allow_private)
    return address


def _blocked(host: str, why: str, *, allow_private: bool) -> BlockedAddressError:
    hint = "" if allow_private or "metadata" in why else "; allow_private_network permits it"
    return BlockedAddressError(f"{host} leads to {why} address, which is refused{hint}")


class _Answer(Struct, frozen=True):
    addresses: tuple[Address, ...]
    fresh_until: float
    stale_until: float


class Resolver:
    """Looks names up off the loop and remembers the answers for a short time.

    One look-up per name is under way at a time, however many requests wait for it. Belongs to one
    event loop.
    """

    def __init__(self) -> None:
        self._answers: dict[str, _Answer] = {}
        self._under_way: dict[str, asyncio.Future[None]] = {}

    async def permitted(self, host: str, *, allow_private: bool) -> tuple[str, ...]:
        """Addresses of `host` that may be dialled, in the system's order of preference.

        Raises BlockedAddressError when there are only forbidden ones, UpstreamConnectError when
        the name has none.
        """
        literal = check_host(host, allow_private=allow_private)
        found = (literal,) if literal is not None else await self._look_up(host)
        why = None
        permitted: list[str] = []
        for address in found:
            refusal = address_refusal(address, allow_private=allow_private)
            if refusal is None:
                permitted.append(str(address))
            else:
                why = refusal
        if not permitted:
            raise _blocked(host, why or "no", allow_private=allow_private)
        return tuple(permitted)

    async def any(self, host: str) -> tuple[str, ...]:
        """Every address of `host`, unjudged: for proxies, which are the operator's own choice."""
        literal = literal_address(host)
        if literal is not None:
            return (str(literal),)
        return tuple(str(address) for address in await self._look_up(host))

    async def _look_up(self, host: str) -> tuple[Address, ...]:
        loop = asyncio.get_running_loop()
        while True:
            known = self._answers.get(host)
            if known is not None and loop.time() < known.fresh_until:
                return known.addresses
            waiting = self._under_way.get(host)
            if waiting is None:
                return await self._ask(loop, host, known)
            await asyncio.shield(waiting)

    async def _ask(
        self, loop: asyncio.AbstractEventLoop, host: str, known: _Answer | None
    ) -> tuple[Address, ...]:
        done = self._under_way[host] = loop.create_future()
        try:
            infos = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            if known is not None and loop.time() < known.stale_until:
                return known.addresses
            reason = error.strerror if isinstance(error, OSError) else "not a host name"
            raise UpstreamConnectError(f"{host} cannot be resolved: {reason}") from error
        finally:
            del self._under_way[host]
            done.set_result(None)
        addresses = tuple(
            dict.fromkeys(ip_address(str(info[4][0]).partition("%")[0]) for info in infos)
        )
        if len(self._answers) >= _MAX_NAMES:
            self._answers.clear()
        now = loop.time()
        self._answers[host] = _Answer(addresses, now + _FRESH_S, now + _STALE_S)
        return addresses
