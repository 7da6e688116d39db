"""The sections of governance, from YAML to frozen values."""

from __future__ import annotations

from omniroute.config.model import (
    Budget,
    Cache,
    ConfigTest,
    ExactCache,
    Expect,
    Given,
    IpFilter,
    KeyRateLimit,
    Mark,
    Policy,
    Ref,
    SystemPrompt,
    ThinkingBudget,
)
from tests.routing.configs import check_text

TEXT = """
providers:
  lab:
    format: openai-chat
    base_url: https://lab.example/v1
    strict_models: true
    connections: {main: {api_key: "${env:LAB_KEY}"}}
    models: {llama: {price: {input: 1, output: 1}}}
auth: {require_api_key: true}
keys:
  ci:
    hash: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    tags: {team: platform}
    rate_limit: {requests: 600/m, tokens: 2000000/d, concurrent: 32}
policies:
  - {id: a, when: "key == 'ci'", action: deny, message: no}
  - {id: b, action: limit, limit: {requests: 1/s}, per: ip}
  - {id: c, action: set, values: {max_tokens: 5, stop: ["x"], metadata.a: "'b'"}}
ip_filter: {mode: deny, deny: [10.0.0.0/8], apply_to: [management]}
budgets:
  one: {scope: {tag: {team: platform}}, limit: 0.5, warn_at: [50%, 99.5%]}
  two: {limit: 5, period: total, action: degrade, degrade_to: lab/llama, timezone: Asia/Tokyo}
settings:
  system_prompt: {enabled: true, text: Be brief., position: append}
  thinking_budget: {mode: custom, tokens: 2048, effort: high}
cache: {exact: {enabled: true, ttl: 10m, max_bytes: 1MiB, persist: false}, scope: tag}
idempotency: {window: 1m}
state: {url: "redis://:${env:REDIS_PASSWORD}@cache.example:6379/0"}
tests:
  - {name: x, given: {key: ci, at: 2026-11-24T10:00:00Z, spent: {one: 0.1}}, expect: {deny: a}}
"""


def test_everything_is_read() -> None:
    checked = check_text(TEXT)
    assert [str(found) for found in checked.diagnostics] == []
    config = checked.config
    assert config is not None
    assert config.keys["ci"].rate_limit == KeyRateLimit(
        requests=(600, 60.0), tokens=(2_000_000, 86400.0), concurrent=32
    )
    assert config.policies == (
        Policy(id="a", when="key == 'ci'", action="deny", message="no"),
        Policy(id="b", action="limit", limit=KeyRateLimit(requests=(1, 1.0)), per="ip"),
        Policy(id="c", action="set", values={"max_tokens": 5, "stop": ["x"], "metadata.a": "'b'"}),
    )
    assert config.ip_filter == IpFilter(mode="deny", deny=("10.0.0.0/8",), apply_to=("management",))
    assert config.budgets == {
        "one": Budget(
            id="one",
            scope=("tag", "team", "platform"),
            limit_nanousd=500_000_000,
            period="monthly",
            warn_at=(0.5, 0.995),
        ),
        "two": Budget(
            id="two",
            scope=("global",),
            limit_nanousd=5_000_000_000,
            period="total",
            timezone="Asia/Tokyo",
            action="degrade",
            degrade_to="lab/llama",
        ),
    }
    assert config.settings.system_prompt == SystemPrompt(
        enabled=True, text="Be brief.", position="append"
    )
    assert config.settings.thinking_budget == ThinkingBudget(
        mode="custom", tokens=2048, effort="high"
    )
    exact = ExactCache(enabled=True, ttl_s=600.0, max_bytes=1 << 20, persist=False)
    assert config.cache == Cache(exact=exact, scope="tag")
    assert config.idempotency.window_s == 60.0
    assert isinstance(config.state.url, Ref)
    test = ConfigTest(
        name="x",
        given=Given(key="ci", at="2026-11-24T10:00:00Z", spent={"one": 0.1}),
        expect=Expect(deny="a"),
        mark=config.tests[0].mark,
    )
    assert config.tests == (test,)
    assert isinstance(test.mark, Mark)


def test_auto_state_is_no_url() -> None:
    checked = check_text("state: {url: auto}\n")
    assert checked.config is not None
    assert checked.config.state.url is None
