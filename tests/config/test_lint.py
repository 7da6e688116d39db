"""Rules beyond their code's example: the neighbours that must stay silent, and the hard cases."""

from __future__ import annotations

import pytest

from omniroute.config.check import check
from omniroute.config.loader import TextReader
from tests.config.files import HASH_A, HASH_B, NOW, PRESETS, check_text, check_texts, found, priced

LAB = "providers:\n  lab: {{format: {format}, base_url: '{url}', {more}}}\n"


def codes(text: str) -> list[str]:
    return [item.code for item in check_text(text).diagnostics if item.code != "OR520"]


def lab(url: str, *, wire_format: str = "openai-chat", more: str = "") -> list[str]:
    return codes(LAB.format(url=url, format=wire_format, more=more))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "'[::1]'", "localhost"])
def test_loopback_needs_no_key(host: str) -> None:
    assert codes(f"server: {{host: '{host.strip(chr(39))}'}}\n") == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "gateway.example"])  # noqa: S104 -- text under test
def test_everything_else_does(host: str) -> None:
    assert codes(f"server: {{host: '{host}'}}\n") == ["OR401"]


@pytest.mark.parametrize(
    ("auth", "expected"),
    [("", []), ("auth: {require_api_key: false}\n", ["OR403", "OR401"])],
)
def test_a_declared_key_shuts_the_door(auth: str, expected: list[str]) -> None:
    text = f"{auth}keys: {{ci: {{hash: 'sha256:{HASH_A}'}}}}\n"
    assert codes(f"{text}server: {{host: 0.0.0.0}}\n") == expected


def test_a_key_with_a_mistake_leaves_no_open_door_to_complain_of() -> None:
    assert codes("keys: {ci: {hash: x}}\nserver: {host: 0.0.0.0}\n") == ["OR205"]


@pytest.mark.parametrize("host", ["http://127.0.0.1", "127.0.0.1:80", "a b", "me@host"])
def test_hosts_that_are_none(host: str) -> None:
    assert "OR411" in codes(f"server: {{host: '{host}'}}\n")


@pytest.mark.parametrize(
    "url",
    [
        "https://lab.example/v1",
        "https://lab.example:8443/openai/v2/",
        "http://vllm:8000/v1",
        "https://[2606:4700::1111]/v1",
        "https://1.1.1.1/v1",
    ],
)
def test_good_base_urls(url: str) -> None:
    assert lab(url) == []


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://lab.example/v1", "OR510"),
        ("https:///v1", "OR510"),
        ("https://lab.example:port/v1", "OR510"),
        ("https://lab example/v1", "OR510"),
        ("https://[::1/v1", "OR510"),
        ("https://ada@lab.example/v1", "OR511"),
        ("https://lab.example/v1?a=b", "OR512"),
        ("https://lab.example/v1#x", "OR512"),
        ("http://localhost:8000/v1", "OR513"),
        ("http://169.254.169.254/v1", "OR513"),
        ("http://[fd00::1]/v1", "OR513"),
        ("http://[::ffff:10.0.0.1]/v1", "OR513"),
        ("https://lab.example/v1/chat/completions", "OR514"),
        ("https://lab.example/", "OR514"),
    ],
)
def test_bad_base_urls(url: str, code: str) -> None:
    assert lab(url) == [code]


@pytest.mark.parametrize(
    ("wire_format", "url", "right"),
    [
        ("anthropic", "https://a.example/v1", "https://a.example"),
        ("anthropic", "https://a.example/v1/messages", "https://a.example"),
        ("gemini", "https://g.example/v1beta/", "https://g.example"),
        ("ollama", "https://o.example/api", "https://o.example"),
        ("openai-responses", "https://r.example/v1/responses", "https://r.example/v1"),
    ],
)
def test_base_urls_that_hold_too_much(wire_format: str, url: str, right: str) -> None:
    checked = check_text(LAB.format(url=url, format=wire_format, more=""))
    (finding,) = checked.diagnostics
    assert (finding.code, finding.hint) == ("OR514", f"write {right}")


def test_a_preset_may_be_private_by_itself_and_its_url_is_not_looked_at() -> None:
    assert codes("providers: {echo: {preset: echo}}\n") == []


def test_a_preset_whose_format_has_no_table_cannot_be_served() -> None:
    checked = check(
        ["f"],
        reader=TextReader({"f": b"providers: {echo: {preset: echo}}\n"}),
        presets=PRESETS,
        formats=("anthropic",),
        priced=priced,
        now=NOW,
    )
    assert found(checked) == ["1:28 OR502"]


def test_every_connection_has_its_url_looked_at() -> None:
    more = "connections: {a: {base_url: 'http://10.0.0.1/v1'}}"
    checked = check_text(LAB.format(url="https://lab.example/v1", format="openai-chat", more=more))
    (finding,) = checked.diagnostics
    assert (finding.code, finding.path) == ("OR513", "providers.lab.connections.a.base_url")


def test_private_addresses_may_be_permitted() -> None:
    assert lab("http://10.0.0.1/v1", more="allow_private_network: true") == []


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        ("http://p.example:3128", []),
        ("socks5h://u:${env:P}@p.example:1080", []),
        ("socks5://p.example:${env:PORT}", []),
        ("${env:PROXY}", []),
        ("p.example:3128", ["OR516"]),
        ("http://", ["OR516"]),
        ("http://u:hunter2@p.example", ["OR451"]),
        ("http://u:${env:P:-hunter2}@p.example", []),
    ],
)
def test_proxies(proxy: str, expected: list[str]) -> None:
    assert codes(f'settings: {{proxy: "{proxy}"}}\n') == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${env:K}", []),
        ("${file:/run/secrets/k}", []),
        ("${env:K:-any}", ["OR451"]),
        ("ollama", ["OR451"]),
        ("AIzaSyA-0123456789abcdefghijklmnopqrstu", ["OR450"]),
        ("${env:K:-sk-0123456789abcdefghijk}", ["OR450"]),
    ],
)
def test_api_keys_in_the_file(value: str, expected: list[str]) -> None:
    more = f'connections: {{a: {{api_key: "{value}"}}}}'
    assert lab("https://lab.example/v1", more=more) == expected


def test_headers_that_carry_credentials() -> None:
    more = 'headers: {Authorization: "Bearer abc", X-Team: platform, x-api-key: "${env:K}"}'
    assert lab("https://lab.example/v1", more=more) == ["OR451"]


def test_a_pasted_key_in_place_of_its_hash_is_not_shown() -> None:
    key = "omr_0123456789abcdefghijklmnopqrstuvwxyz"
    checked = check_text(f"auth: {{require_api_key: true}}\nkeys: {{ci: {{hash: {key}}}}}\n")
    assert {item.code for item in checked.diagnostics} == {"OR205", "OR450", "OR520"}
    assert all(key not in f"{item.message}{item.hint}" for item in checked.diagnostics)


@pytest.mark.parametrize(
    ("glob", "fits"),
    [
        ("echo/*", True),
        ("echo/echo", True),
        ("echo", True),
        ("*", True),
        ("ech*/anything", True),
        ("open/unlisted-model", True),
        ("strict/known", True),
        ("strict/*", True),
        ("strict/unknown", False),
        ("ehco/*", False),
        ("gpt-4o", False),
    ],
)
def test_model_globs(glob: str, fits: bool) -> None:
    text = f"""\
auth: {{require_api_key: true}}
keys: {{ci: {{hash: "sha256:{HASH_A}", models: ["{glob}"]}}}}
providers:
  echo: {{preset: echo}}
  open: {{format: openai-chat, base_url: "https://o.example/v1"}}
  strict:
    format: openai-chat
    base_url: https://s.example/v1
    strict_models: true
    models: {{known: }}
"""
    assert codes(text) == ([] if fits else ["OR407"])


def test_a_provider_with_a_mistake_is_still_a_provider_for_the_keys() -> None:
    text = f"""\
auth: {{require_api_key: true}}
keys: {{ci: {{hash: "sha256:{HASH_A}", models: ["lab/*"]}}}}
providers: {{lab: {{preset: gone}}}}
"""
    assert codes(text) == ["OR501"]


def test_what_could_not_be_read_is_not_missed() -> None:
    checked = check_texts(
        {
            "main.yaml": "include: [keys.yaml, p.yaml]\nauth: {require_api_key: true}\n",
            "keys.yaml": "keys: [\n",
            "p.yaml": "\tproviders: {}\n",
        }
    )
    assert [item.code for item in checked.diagnostics] == ["OR105", "OR105"]


def test_the_same_hash_twice_within_one_key_is_the_schemas_business() -> None:
    pair = f'["sha256:{HASH_A}", "sha256:{HASH_A}"]'
    text = f"auth: {{require_api_key: true}}\nkeys: {{ci: {{hash: {pair}}}}}\n"
    assert codes(text) == ["OR208"]
    rotation = f'["sha256:{HASH_A}", "sha256:{HASH_B}"]'
    config = check_text(text.replace(pair, rotation)).config
    assert config is not None
    assert config.keys["ci"].hashes == (HASH_A, HASH_B)


def test_files_beside_the_configuration_are_looked_for() -> None:
    main = (
        "providers:\n  lab:\n    format: openai-chat\n    base_url: https://l.example/v1\n"
        "    tls: {ca_file: certs/ca.pem}\n"
    )
    missing = check_texts({"conf/main.yaml": main})
    assert found(missing) == ["5:20 OR523"]
    there = check_texts({"conf/main.yaml": main, "conf/certs/ca.pem": ""}, "conf/main.yaml")
    assert there.diagnostics == ()
    assert there.config is not None
    assert there.config.providers["lab"].tls.ca_file == "/conf/certs/ca.pem"


@pytest.mark.parametrize(
    ("expires", "expected"),
    [
        ("2026-11-24", ["OR408"]),
        ("2026-12-07", ["OR408"]),
        ("2026-12-08", []),
        ("2026-11-23", ["OR405"]),
        ("2026-11-24T11:59:59Z", ["OR405"]),
        ("2026-11-24T13:59:59+01:00", ["OR408"]),
        ("2026-11-24T12:59:59+01:00", ["OR405"]),
        ("9999-12-31", ["OR303"]),
        ("2026-13-01", ["OR303"]),
        ("2027-01-01T10:00", ["OR205"]),
    ],
)
def test_expiry_is_the_end_of_the_day_or_an_instant(expires: str, expected: list[str]) -> None:
    text = (
        "auth: {require_api_key: true}\n"
        f'keys: {{ci: {{hash: "sha256:{HASH_A}", expires: {expires}}}}}\n'
    )
    assert codes(text) == expected
