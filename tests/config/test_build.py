"""The checked tree to frozen values: units, presets, references, positions, size."""

from __future__ import annotations

from datetime import UTC, datetime
from time import process_time

import pytest

from omniroute.config.model import (
    Auth,
    Connection,
    Cors,
    Dashboard,
    Key,
    Mark,
    Model,
    Price,
    Provider,
    Ref,
    Reload,
    Server,
    SessionRule,
    Timeouts,
    Tls,
    UsageSettings,
)
from tests.config.files import HASH_A, HASH_B, check_text, check_texts

WHOLE = f"""\
version: 1
server:
  port: 8080
  workers: auto
  data_dir: data
  max_body: 8MiB
  request_timeout: 1.5m
  trusted_proxies: [10.0.0.0/8]
  cors: {{origins: ["*"]}}
auth: {{require_api_key: true, dashboard: {{require_login: false}}}}
keys:
  ci:
    hash: [sha256:{HASH_A}, sha256:{HASH_B}]
    tags: {{team: platform}}
    models: ["lab/*"]
    expires: 2027-12-31T23:00:00+02:00
    roles: [inference, viewer]
    disabled: true
providers:
  lab:
    format: anthropic
    base_url: https://lab.example
    headers: {{X-Team: "${{env:TEAM:-none}}"}}
    timeout: {{first_byte: 60s}}
    tls: {{ca_file: /etc/ca.pem}}
    proxy: http://proxy.example:3128
    client: httpx
    strict_models: true
    connections:
      main: {{api_key: "${{env:K}}", weight: 3, headers: {{X-A: b}}}}
      off: {{enabled: false, priority: 2, base_url: "https://eu.lab.example"}}
    models:
      large: {{context_window: 200000, capabilities: [tools], price: {{input: 0.2, output: 1.05}}}}
      small:
  echo:
    preset: echo
    models: {{echo: {{max_output_tokens: 5}}}}
usage: {{retention: 30d, session: {{idle: 1h}}}}
reload: {{watch: false}}
"""


def test_every_section_becomes_its_value() -> None:
    checked = check_texts({"conf/main.yaml": WHOLE})
    assert [str(item) for item in checked.diagnostics] == []
    config = checked.config
    assert config is not None
    assert config.server == Server(
        port=8080,
        workers="auto",
        data_dir="/conf/data",
        max_body_bytes=8 << 20,
        request_timeout_s=90.0,
        trusted_proxies=("10.0.0.0/8",),
        cors=Cors(origins=("*",)),
    )
    assert config.auth == Auth(require_api_key=True, dashboard=Dashboard(require_login=False))
    assert config.keys == {
        "ci": Key(
            id="ci",
            hashes=(HASH_A, HASH_B),
            tags={"team": "platform"},
            models=("lab/*",),
            expires=datetime(2027, 12, 31, 21, tzinfo=UTC),
            roles=("inference", "viewer"),
            disabled=True,
        )
    }
    assert config.providers["lab"] == Provider(
        id="lab",
        format="anthropic",
        base_url="https://lab.example",
        headers={"X-Team": Ref("${env:TEAM:-none}", "/conf")},
        timeout=Timeouts(first_byte_s=60.0),
        tls=Tls(ca_file="/etc/ca.pem"),
        proxy=Ref("http://proxy.example:3128", "/conf"),
        client="httpx",
        strict_models=True,
        connections={
            "main": Connection(
                id="main",
                api_key=Ref("${env:K}", "/conf"),
                weight=3,
                headers={"X-A": Ref("b", "/conf")},
            ),
            "off": Connection(
                id="off", enabled=False, priority=2, base_url="https://eu.lab.example"
            ),
        },
        models={
            "large": Model(
                id="large",
                context_window=200000,
                capabilities=("tools",),
                price=Price(input_nanousd=200_000_000, output_nanousd=1_050_000_000),
            ),
            "small": Model(id="small"),
        },
    )
    assert config.usage == UsageSettings(
        retention_s=30 * 86400.0, session=SessionRule(idle_s=3600.0)
    )
    assert config.reload == Reload(watch=False)


def test_a_preset_is_filled_in_and_declared_fields_win() -> None:
    config = check_texts({"conf/main.yaml": WHOLE}).config
    assert config is not None
    assert config.providers["echo"] == Provider(
        id="echo",
        preset="echo",
        format="openai-chat",
        base_url="echo:",
        connections={"default": Connection(id="default")},
        models={"echo": Model(id="echo", context_window=1000, max_output_tokens=5)},
    )


def test_positions_lead_back_to_the_files() -> None:
    config = check_texts({"conf/main.yaml": WHOLE}).config
    assert config is not None
    assert config.positions["keys", "ci"] == Mark("conf/main.yaml", 12, 3)
    assert config.positions["providers", "lab", "timeout", "first_byte"].line == 24
    assert config.positions["server", "trusted_proxies", 0].column == 21


def test_the_digest_is_about_content_alone() -> None:
    plain = check_text("providers: {echo: {preset: echo}}\nserver: {port: 1}\n").digest
    moved = check_text("# note\nserver:\n  port: 1\nproviders: {echo: {preset: echo}}\n").digest
    other = check_text("providers: {echo: {preset: echo}}\nserver: {port: 2}\n").digest
    assert plain == moved
    assert plain != other


def test_files_and_patterns_are_named_for_watching() -> None:
    checked = check_texts(
        {"a.yaml": "include: [k.yaml, 't/*.yaml']\n", "k.yaml": "", "t/x.yaml": ""}, "a.yaml"
    )
    assert checked.files == ("a.yaml", "k.yaml", "t/x.yaml")
    assert checked.patterns == ("k.yaml", "t/*.yaml", "presets/*.yaml")


def test_ten_thousand_keys_and_a_thousand_providers_take_seconds() -> None:
    keys = "".join(
        f"  k{n}: {{hash: 'sha256:{n:064x}', tags: {{team: a}}, models: ['p{n % 1000}/*']}}\n"
        for n in range(10_000)
    )
    providers = "".join(
        f"  p{n}: {{format: openai-chat, base_url: 'https://h{n}.example/v1', "
        f"connections: {{a: {{api_key: '${{env:K{n}}}'}}}}}}\n"
        for n in range(1000)
    )
    text = f"auth: {{require_api_key: true}}\nkeys:\n{keys}providers:\n{providers}"
    start_s = process_time()
    checked = check_text(text)
    assert process_time() - start_s < 20  # about 2.5 s on one core of a laptop; room for slow CI
    assert checked.diagnostics == ()


@pytest.mark.parametrize(
    ("text", "required"),
    [
        ("version: 1\n", False),
        ("keys: {}\n", False),
        (f"keys: {{ci: {{hash: 'sha256:{HASH_A}'}}}}\n", True),
        (f"keys: {{ci: {{hash: 'sha256:{HASH_A}'}}}}\nauth: {{dashboard: {{}}}}\n", True),
        (f"keys: {{ci: {{hash: 'sha256:{HASH_A}'}}}}\nauth: {{require_api_key: false}}\n", False),
        ("auth: {require_api_key: true}\n", True),
    ],
)
def test_keys_are_asked_for_as_soon_as_there_is_one(text: str, *, required: bool) -> None:
    config = check_text(text).config
    assert config is not None
    assert config.auth.require_api_key is required


def test_the_last_key_that_an_overlay_takes_opens_the_door_again() -> None:
    base = f"keys: {{ci: {{hash: 'sha256:{HASH_A}'}}}}\n"
    config = check_texts({"a": base, "b": "keys: {ci: null}\n"}, "a", "b").config
    assert config is not None
    assert not config.auth.require_api_key
