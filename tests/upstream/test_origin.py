"""Strict splitting of provider URLs."""

from __future__ import annotations

import pytest

from omniroute.errors import UpstreamConnectError
from omniroute.upstream.origin import Origin, split_url


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("https://API.example/v1/x", Origin("https", "api.example", 443), "/v1/x"),
        ("http://api.example", Origin("http", "api.example", 80), "/"),
        ("http://api.example:8080?a=b#c", Origin("http", "api.example", 8080), "/?a=b"),
        ("http://api.example./x", Origin("http", "api.example", 80), "/x"),
        ("http://[::1]:8080/x", Origin("http", "::1", 8080), "/x"),
        ("http://h/models/ü m:x?k=%2F", Origin("http", "h", 80), "/models/%C3%BC%20m:x?k=%2F"),
    ],
)
def test_a_url_is_split(url: str, origin: Origin, target: str) -> None:
    assert split_url(url) == (origin, target)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h/",
        "http://",
        "http:///x",
        "http://user:sk-1@h/",
        "http://h\\@evil.example/",
        "http://h%2eexample/",
        "http://h:0/",
        "http://h:65536/",
        "http://h /",
        "http://a_b c/",
        "http://.../",
        "http://[::1/",
        "echo:/v1?key=sk-1",
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(url: str) -> None:
    with pytest.raises(UpstreamConnectError) as caught:
        split_url(url)
    assert "sk-1" not in str(caught.value)


def test_the_authority_is_that_of_a_host_header() -> None:
    authorities = {
        Origin("http", "h", 80).authority(),
        Origin("https", "h", 80).authority(),
        Origin("https", "::1", 443).authority(),
    }
    assert authorities == {"h", "h:80", "[::1]"}
