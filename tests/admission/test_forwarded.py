"""The client's address behind proxies: forgeries to the left never count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.admission.forwarded import client_ip, compile_trusted

TRUSTED = compile_trusted(("10.0.0.0/8", "fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        pytest.param("203.0.113.9", {}, "203.0.113.9", id="no proxy"),
        pytest.param(
            "203.0.113.9",
            {"x-forwarded-for": "10.0.0.1", "forwarded": "for=10.0.0.1"},
            "203.0.113.9",
            id="a stranger's headers do not count",
        ),
        pytest.param("10.0.0.1", {}, "10.0.0.1", id="proxy without header"),
        pytest.param("10.0.0.1", {"x-forwarded-for": "198.51.100.7"}, "198.51.100.7", id="one hop"),
        pytest.param(
            "10.0.0.1",
            {"x-forwarded-for": "127.0.0.1, 198.51.100.7, 10.0.0.2"},
            "198.51.100.7",
            id="leftmost forgery",
        ),
        pytest.param(
            "::ffff:10.0.0.1", {"x-forwarded-for": "198.51.100.7:4711"}, "198.51.100.7", id="port"
        ),
        pytest.param(
            "10.0.0.1", {"x-forwarded-for": "[2001:db8::1]:443"}, "2001:db8::1", id="brackets"
        ),
        pytest.param(
            "10.0.0.1", {"x-forwarded-for": "2001:DB8:0::1"}, "2001:db8::1", id="one spelling"
        ),
        pytest.param(
            "10.0.0.1", {"x-forwarded-for": "::ffff:198.51.100.7"}, "198.51.100.7", id="mapped"
        ),
        pytest.param(
            "10.0.0.1", {"x-forwarded-for": "10.0.0.3, 10.0.0.2"}, "10.0.0.3", id="all ours"
        ),
        pytest.param("10.0.0.1", {"x-forwarded-for": "1.2.3.4, junk"}, "unknown", id="garbage"),
        pytest.param("10.0.0.1", {"x-forwarded-for": "1.2.3.4,"}, "unknown", id="empty hop"),
        pytest.param("10.0.0.1", {"x-forwarded-for": ""}, "unknown", id="empty header"),
        pytest.param(
            "10.0.0.1",
            {"forwarded": 'for=1.1.1.1, For="[2001:db8:cafe::17]:4711";proto=https;by=10.0.0.1'},
            "2001:db8:cafe::17",
            id="forwarded",
        ),
        pytest.param(
            "10.0.0.1",
            {"forwarded": 'for="1.1.1.1, for=127.0.0.1";x=y, for=198.51.100.7'},
            "198.51.100.7",
            id="comma in a quoted string",
        ),
        pytest.param("10.0.0.1", {"forwarded": "for=_hidden"}, "unknown", id="obfuscated"),
        pytest.param("10.0.0.1", {"forwarded": "proto=https"}, "unknown", id="no for"),
        pytest.param(
            "10.0.0.1", {"forwarded": "for=1.1.1.1;for=2.2.2.2"}, "unknown", id="for twice"
        ),
        pytest.param(
            "10.0.0.1",
            {"x-forwarded-for": "198.51.100.7", "forwarded": "for=127.0.0.1"},
            "unknown",
            id="the headers disagree",
        ),
        pytest.param(
            "10.0.0.1",
            {"x-forwarded-for": "198.51.100.7", "forwarded": "for=198.51.100.7"},
            "198.51.100.7",
            id="the headers agree",
        ),
        pytest.param("", {}, "unknown", id="no peer"),
    ],
)
def test_client_ip(peer: str, headers: dict[str, str], expected: str) -> None:
    assert client_ip(peer, headers, TRUSTED) == expected


@given(forged=st.text(st.characters(codec="latin-1"), max_size=60))
def test_nothing_before_the_proxys_own_entry_matters(forged: str) -> None:
    headers = {"x-forwarded-for": f"{forged}, 198.51.100.7, 10.0.0.2"}
    assert client_ip("10.0.0.1", headers, TRUSTED) == "198.51.100.7"


@given(value=st.text(st.characters(codec="latin-1"), max_size=200))
def test_no_header_makes_it_fail(value: str) -> None:
    for name in ("x-forwarded-for", "forwarded"):
        assert client_ip("10.0.0.1", {name: value}, TRUSTED)
