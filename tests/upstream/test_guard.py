"""The address rules against a list of hostile hosts, and what the resolver remembers."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from omniroute.errors import BlockedAddressError, UpstreamConnectError
from omniroute.upstream.guard import Resolver, address_refusal, check_host, literal_address

TABLE = Path(__file__).parents[1] / "golden" / "upstream" / "hosts.yaml"
HOSTS: dict[str, Any] = yaml.safe_load(TABLE.read_text())


def rows(kind: str) -> list[str]:
    return cast(list[str], HOSTS[kind])


def refused(host: str, *, allow_private: bool) -> bool:
    try:
        check_host(host, allow_private=allow_private)
    except UpstreamConnectError:
        return True
    return False


@pytest.mark.parametrize("host", rows("metadata"))
def test_metadata_is_refused_even_where_private_networks_are_allowed(host: str) -> None:
    assert refused(host, allow_private=False)
    assert refused(host, allow_private=True)


@pytest.mark.parametrize("host", rows("private"))
def test_private_hosts_need_permission(host: str) -> None:
    assert refused(host, allow_private=False)
    assert not refused(host, allow_private=True)


@pytest.mark.parametrize("host", rows("never"))
def test_some_hosts_are_no_servers_at_all(host: str) -> None:
    assert refused(host, allow_private=True)


@pytest.mark.parametrize("host", rows("public"))
def test_public_hosts_pass(host: str) -> None:
    assert not refused(host, allow_private=False)


@given(st.ip_addresses(v=4))
def test_every_spelling_of_an_address_is_judged_alike(address: IPv4Address) -> None:
    number = int(address)
    first, rest = number >> 24, number & 0xFFFFFF
    spellings = (
        str(address),
        str(number),
        hex(number),
        f"0{number:o}",
        f"{first}.{rest}",
        f"{first:#x}.{rest:#o}".replace("0o", "0"),
    )
    assert {literal_address(spelling) for spelling in spellings} == {address}
    verdict = address_refusal(address, allow_private=False)
    for wrapped in (
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address((0x64FF9B << 96) | number),
        IPv6Address((0x2002 << 112) | number << 80),
    ):
        assert address_refusal(wrapped, allow_private=False) == verdict


@given(st.ip_addresses(v=4))
def test_what_python_calls_not_global_is_refused(address: IPv4Address) -> None:
    if not address.is_global or address.is_multicast:
        assert address_refusal(address, allow_private=False) is not None


class CountingLoop:
    """Answers of a name server, instead of the loop's own look-ups."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: str | OSError) -> None:
        self.asked = 0
        self.answers = list(answers)
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "getaddrinfo", self.getaddrinfo)

    async def getaddrinfo(self, host: str, port: None, **_: object) -> list[Any]:
        self.asked += 1
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in answer.split()]


async def test_a_name_is_looked_up_once_for_many_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    names = CountingLoop(monkeypatch, "93.184.215.14 93.184.215.15")
    resolver = Resolver()
    answers = await asyncio.gather(
        *[resolver.permitted("api.example", allow_private=False) for _ in range(20)]
    )
    assert set(answers) == {("93.184.215.14", "93.184.215.15")}
    assert names.asked == 1


async def test_a_name_that_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    CountingLoop(monkeypatch, "10.0.0.1")
    with pytest.raises(BlockedAddressError, match="allow_private_network"):
        await Resolver().permitted("rebind.example", allow_private=False)


async def test_only_permitted_addresses_are_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    CountingLoop(monkeypatch, "127.0.0.1 93.184.215.14 169.254.169.254")
    resolver = Resolver()
    assert await resolver.permitted("a.example", allow_private=False) == ("93.184.215.14",)
    both = await resolver.permitted("a.example", allow_private=True)
    assert both == ("127.0.0.1", "93.184.215.14")


async def test_an_old_answer_bridges_a_failing_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    names = CountingLoop(monkeypatch, "93.184.215.14", socket.gaierror(-3, "try again"))
    loop = asyncio.get_running_loop()
    start = loop.time()
    resolver = Resolver()
    first = await resolver.permitted("a.example", allow_private=False)
    monkeypatch.setattr(loop, "time", lambda: start + 60)
    assert await resolver.permitted("a.example", allow_private=False) == first
    assert names.asked == 2
    monkeypatch.setattr(loop, "time", lambda: start + 3600)
    with pytest.raises(UpstreamConnectError, match="try again"):
        await resolver.permitted("a.example", allow_private=False)


async def test_a_cancelled_look_up_does_not_hold_up_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    CountingLoop(monkeypatch, "93.184.215.14")
    resolver = Resolver()
    first = asyncio.ensure_future(resolver.permitted("a.example", allow_private=False))
    second = asyncio.ensure_future(resolver.permitted("a.example", allow_private=False))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == ("93.184.215.14",)


def test_the_table_has_no_address_twice() -> None:
    hosts = [host for kind in HOSTS for host in rows(kind)]
    assert len(hosts) == len(set(hosts))
