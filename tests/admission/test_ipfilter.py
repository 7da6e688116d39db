"""Address rules: longest prefix, ties, both families, mapped addresses, surfaces."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.admission.ipfilter import UNKNOWN, IpRules, parse_address, parse_network
from omniroute.config.model import IpFilter, Mark
from tests.admission.cases import refused

RULES = IpFilter(
    mode="allow", allow=("127.0.0.0/8", "::1/128", "10.0.0.0/8"), deny=("10.9.0.0/16",)
)


@pytest.mark.parametrize(
    ("ip", "allowed"),
    [
        ("127.0.0.1", True),
        ("10.1.2.3", True),
        ("10.9.2.3", False),
        ("11.0.0.1", False),
        ("::1", True),
        ("::2", False),
        ("0:0:0:0:0:0:0:1", True),
        ("::ffff:10.1.2.3", True),
        ("::ffff:10.9.2.3", False),
        ("::ffff:0a09:0203", False),
        ("::1%lo", True),
        ("::10.1.2.3", False),
        (UNKNOWN, False),
        ("", False),
        ("010.1.2.3", False),
        ("0x7f000001", False),
        ("2130706433", False),
    ],
)
def test_only_listed_addresses_come_in(ip: str, *, allowed: bool) -> None:
    assert (IpRules(RULES).check(ip, "inference") is None) is allowed


def test_the_refusal_names_the_rule() -> None:
    mark = Mark("omniroute.yaml", 12, 10)
    rules = IpRules(RULES, {("ip_filter", "deny", 0): mark})
    refusal = refused(rules.check("10.9.0.1", "management"))
    assert (refusal.error.status, refusal.error.code) == (403, "ip_denied")
    assert (refusal.decided_by, refusal.mark) == ("ip_filter", mark)


def test_deny_mode_lets_in_all_but_the_listed() -> None:
    rules = IpRules(IpFilter(mode="deny", allow=("10.9.1.0/24",), deny=("10.9.0.0/16",)))
    assert rules.check("8.8.8.8", "inference") is None
    assert rules.check("10.9.1.7", "inference") is None
    assert rules.check("10.9.2.7", "inference") is not None
    assert rules.check(UNKNOWN, "inference") is not None


def test_deny_wins_a_tie() -> None:
    rules = IpRules(IpFilter(mode="allow", allow=("10.0.0.0/8",), deny=("10.0.0.0/8",)))
    assert rules.check("10.0.0.1", "inference") is not None


def test_off_and_other_surfaces_are_not_filtered() -> None:
    assert IpRules(IpFilter(mode="off", deny=("0.0.0.0/0",))).check("1.1.1.1", "inference") is None
    rules = IpRules(IpFilter(mode="allow", apply_to=("management",)))
    assert rules.check("1.1.1.1", "inference") is None
    assert rules.check("1.1.1.1", "management") is not None


def test_mapped_networks_are_their_ipv4_networks() -> None:
    assert parse_network("::ffff:10.0.0.0/104") == parse_network("10.0.0.0/8")
    assert parse_address("::ffff:10.0.0.1") == parse_address("10.0.0.1")


@st.composite
def networks(draw: st.DrawFn) -> str:
    return f"10.{draw(st.integers(0, 3))}.0.0/{draw(st.sampled_from([8, 9, 14, 15, 16, 24, 32]))}"


@given(
    allow=st.lists(networks(), max_size=5, unique=True),
    deny=st.lists(networks(), max_size=5, unique=True),
    ip=st.builds("10.{}.0.{}".format, st.integers(0, 3), st.integers(0, 1)),
)
def test_it_agrees_with_the_rule_written_out(allow: list[str], deny: list[str], ip: str) -> None:
    def longest(texts: list[str]) -> int:
        nets = [ip_network(text, strict=False) for text in texts]
        return max((net.prefixlen for net in nets if ip_address(ip) in net), default=-1)

    rules = IpRules(IpFilter(mode="allow", allow=tuple(allow), deny=tuple(deny)))
    assert (rules.check(ip, "inference") is None) is (longest(allow) > longest(deny))
