"""Which client addresses may come in: the longest prefix wins, deny wins a tie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Address, ip_address, ip_network
from typing import Final, Generic, NamedTuple, TypeVar

from omniroute.admission.values import Refuse, Surface
from omniroute.base.chosen import cached_if_short
from omniroute.config.model import IpFilter, Mark
from omniroute.errors import RequestError

T = TypeVar("T")

UNKNOWN: Final = "unknown"
"""The address of a client that cannot be told; no list contains it."""

_MAPPED_BITS: Final = 96  # ::ffff:0:0/96 carries IPv4


class Address(NamedTuple):
    """An address as a number; `bits` is 32 or 128."""

    bits: int
    value: int


@cached_if_short(4096)  # the same clients come again and again; parsing costs microseconds
def parse_address(text: str) -> Address | None:
    """None when it is not one. A v4-mapped IPv6 address is its IPv4 address; zones are ignored."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return Address(address.max_prefixlen, int(address))


class Network(NamedTuple):
    """A prefix of addresses of one family."""

    bits: int
    prefix: int
    value: int


def parse_network(text: str) -> Network:
    """An address or CIDR; host bits are cleared. ValueError when it is neither."""
    network = ip_network(text, strict=False)
    value, prefix = int(network.network_address), network.prefixlen
    if isinstance(network, IPv4Network):
        return Network(32, prefix, value)
    mapped = network.network_address.ipv4_mapped
    if mapped is not None and prefix >= _MAPPED_BITS:
        return Network(32, prefix - _MAPPED_BITS, int(mapped))
    return Network(128, prefix, value)


class NetworkMap(Generic[T]):
    """Longest-prefix look-up: one dict probe per distinct prefix length, however many networks."""

    def __init__(self, entries: Iterable[tuple[Network, T]]) -> None:
        tables: dict[int, dict[int, dict[int, T]]] = {32: {}, 128: {}}
        for network, verdict in entries:
            shift = network.bits - network.prefix
            tables[network.bits].setdefault(shift, {})[network.value >> shift] = verdict
        self._tables = {bits: sorted(table.items()) for bits, table in tables.items()}

    def find(self, address: Address) -> T | None:
        for shift, values in self._tables[address.bits]:
            verdict = values.get(address.value >> shift)
            if verdict is not None:
                return verdict
        return None


class _Verdict(NamedTuple):
    allow: bool
    path: tuple[str | int, ...]


class IpRules:
    """The compiled `ip_filter:` section."""

    def __init__(
        self, rules: IpFilter, positions: Mapping[tuple[str | int, ...], Mark] | None = None
    ) -> None:
        self._positions = positions or {}
        self._surfaces = frozenset(rules.apply_to) if rules.mode != "off" else frozenset[str]()
        self._default_allow = rules.mode != "allow"
        self._mode = rules.mode
        # Denied networks come last: of two equal prefixes the later entry stays.
        entries = [
            (parse_network(text), _Verdict(True, ("ip_filter", "allow", index)))
            for index, text in enumerate(rules.allow)
        ] + [
            (parse_network(text), _Verdict(False, ("ip_filter", "deny", index)))
            for index, text in enumerate(rules.deny)
        ]
        self._map = NetworkMap(entries)

    def check(self, ip: str, surface: Surface) -> Refuse | None:
        """None to let it in. An address that cannot be told is refused while the filter is on."""
        if surface not in self._surfaces:
            return None
        address = parse_address(ip)
        verdict = self._map.find(address) if address is not None else _Verdict(False, ())
        if verdict is None:
            if self._default_allow:
                return None
            verdict = _Verdict(False, ("ip_filter", "mode"))
        if verdict.allow:
            return None
        mark = self._positions.get(verdict.path) or self._positions.get(("ip_filter",))
        return Refuse(
            error=RequestError(
                "permission", f"the address {ip} may not use this gateway", code="ip_denied"
            ),
            decided_by="ip_filter",
            mark=mark,
        )
