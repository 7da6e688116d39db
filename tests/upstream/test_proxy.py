"""Which proxy wins, and how its URL is read."""

from __future__ import annotations

import pytest

from omniroute.base.secret import Secret
from omniroute.errors import UpstreamConnectError
from omniroute.upstream.proxy import Proxy, choose_proxy, parse_proxy

ENVIRONMENT = {
    "HTTPS_PROXY": "http://env-tls:1",
    "http_proxy": "http://env-plain:1",
    "NO_PROXY": "internal.example, .corp.example,10.0.0.0/8,api.example:8443,[fd00::]/8",
}


def chosen(url: str, *levels: str | None, environment: dict[str, str] = ENVIRONMENT) -> str | None:
    connection, provider, settings = [None if v is None else Secret(v) for v in levels]
    proxy = choose_proxy(
        url,
        connection=connection,
        provider=provider,
        settings=settings,
        environment=environment,
    )
    return None if proxy is None else proxy.reveal()


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        pytest.param(("http://c", "http://p", "http://s"), "http://c", id="connection"),
        pytest.param((None, "http://p", "http://s"), "http://p", id="provider"),
        pytest.param((None, None, "http://s"), "http://s", id="settings"),
        pytest.param((None, None, None), "http://env-tls:1", id="environment"),
        pytest.param(("", "", ""), "http://env-tls:1", id="empty-says-nothing"),
        pytest.param(("direct", "http://p", None), None, id="direct-ends-the-search"),
    ],
)
def test_the_nearest_level_decides(levels: tuple[str | None, ...], expected: str | None) -> None:
    assert chosen("https://api.example/v1", *levels) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://api.example/", "http://env-plain:1"),
        ("https://internal.example/", None),
        ("https://a.internal.example/", None),
        ("https://notinternal.example/", "http://env-tls:1"),
        ("https://a.corp.example/", None),
        ("https://10.1.2.3/", None),
        ("https://11.1.2.3/", "http://env-tls:1"),
        ("https://api.example:8443/", None),
        ("https://api.example:8444/", "http://env-tls:1"),
        ("https://[fd00::1]/", None),
    ],
)
def test_no_proxy_exempts_names_networks_and_ports(url: str, expected: str | None) -> None:
    assert chosen(url, None, None, None) == expected


def test_what_is_no_http_url_has_no_proxy() -> None:
    assert chosen("echo:", None, None, None) is None


def test_a_star_exempts_everything_but_what_the_configuration_says() -> None:
    environment = {"all_proxy": "socks5://env:1", "no_proxy": "*"}
    url = "https://api.example/"
    assert chosen(url, None, None, None, environment=environment) is None
    assert chosen(url, None, "http://p", None, environment=environment) == "http://p"


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://p.example:3128", Proxy(scheme="http", host="p.example", port=3128)),
        ("p.example:3128", Proxy(scheme="http", host="p.example", port=3128)),
        ("https://p.example", Proxy(scheme="https", host="p.example", port=443)),
        ("socks5h://[::1]", Proxy(scheme="socks5", host="::1", port=1080)),
        (
            "socks5://u%40x:p%3Aw@p.example",
            Proxy(
                scheme="socks5", host="p.example", port=1080, username="u@x", password=Secret("p:w")
            ),
        ),
    ],
)
def test_a_proxy_url_is_read(text: str, proxy: Proxy) -> None:
    assert parse_proxy(Secret(text)) == proxy


@pytest.mark.parametrize("text", ["ftp://h:1", "http://", "http://u:sk-word@h:port", "socks4://h"])
def test_a_proxy_url_that_cannot_be_used_is_not_repeated(text: str) -> None:
    with pytest.raises(UpstreamConnectError) as caught:
        parse_proxy(Secret(text))
    assert "sk-word" not in str(caught.value)


def test_a_proxy_prints_without_its_credentials() -> None:
    proxy = parse_proxy(Secret("http://user:sk-word@p.example:1"))
    assert "sk-word" not in repr(proxy) + str(proxy)
