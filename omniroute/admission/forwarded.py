"""The client's address behind proxies: only what trusted proxies wrote counts, right to left."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from omniroute.admission.ipfilter import UNKNOWN, NetworkMap, parse_address, parse_network

_BRACKETED: Final = re.compile(r"\[([^\]]*)\](?::[\w.\-]+)?")
_V4_PORT: Final = re.compile(r"(\d+\.\d+\.\d+\.\d+):[\w.\-]+")
_MAX_HOPS: Final = 64  # a longer list is hostile; what the nearest proxies wrote stands at its end


def compile_trusted(networks: Iterable[str]) -> NetworkMap[bool]:
    """`server.trusted_proxies` for `client_ip`."""
    return NetworkMap((parse_network(text), True) for text in networks)


def client_ip(peer: str, headers: Mapping[str, str], trusted: NetworkMap[bool]) -> str:
    """The address that rules apply to. `headers` have lower-case names, repeats joined by commas.

    The socket's peer, unless that is a trusted proxy. Then `Forwarded` (RFC 7239) or
    `X-Forwarded-For` is read from the right, past further trusted proxies, to the first address
    that is none of them: everything left of it came from outside. `unknown` when a proxy wrote
    something that is no address, and when the two headers disagree, since a proxy that maintains
    one of them passes a forged other.
    """
    own = _canonical(peer)
    if not is_trusted(own, trusted):
        return own
    answers = set[str]()
    if "x-forwarded-for" in headers:
        hops = headers["x-forwarded-for"].rsplit(",", _MAX_HOPS)
        answers.add(_walk([_node(hop) for hop in hops], trusted))
    if "forwarded" in headers:
        elements = _split(headers["forwarded"], ",")[-_MAX_HOPS:]
        answers.add(_walk([_forwarded_for(element) for element in elements], trusted))
    if not answers:
        return own
    return answers.pop() if len(answers) == 1 else UNKNOWN


def _walk(hops: list[str], trusted: NetworkMap[bool]) -> str:
    for hop in reversed(hops):
        if not is_trusted(hop, trusted):
            return hop
    return hops[0]


def is_trusted(ip: str, trusted: NetworkMap[bool]) -> bool:
    """Whether an address is one of `server.trusted_proxies`."""
    address = parse_address(ip)
    return address is not None and trusted.find(address) is not None


def _canonical(ip: str) -> str:
    """One spelling per address, so that rules, windows and logs see the same text."""
    address = parse_address(ip)
    if address is None:
        return UNKNOWN
    return str(IPv4Address(address.value) if address.bits == 32 else IPv6Address(address.value))


def _node(text: str) -> str:
    """An address with or without port and brackets; `unknown` for anything else."""
    text = text.strip()
    match = _BRACKETED.fullmatch(text) or _V4_PORT.fullmatch(text)
    return _canonical(match[1] if match else text)


def _forwarded_for(element: str) -> str:
    """The `for` of one element of a Forwarded header; `unknown` when missing, twice or hidden."""
    found = list[str]()
    for pair in _split(element, ";"):
        name, _, value = pair.partition("=")
        if name.strip().lower() == "for":
            value = value.strip()
            if len(value) >= 2 and value[0] == value[-1] == '"':
                value = value[1:-1].replace("\\", "")
            found.append(_node(value))
    return found[0] if len(found) == 1 else UNKNOWN


def _split(text: str, separator: str) -> list[str]:
    """Split outside of quoted strings; an unclosed quote keeps the rest together."""
    parts = list[str]()
    start = 0
    quoted = escaped = False
    for index, char in enumerate(text):
        if char == separator and not quoted:
            parts.append(text[start:index])
            start = index + 1
        elif char == '"' and not escaped:
            quoted = not quoted
        escaped = quoted and char == "\\" and not escaped
    parts.append(text[start:])
    return parts
