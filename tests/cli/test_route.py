"""`omniroute route`: the plan on paper, with a reason and a place for every step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from omniroute.cli.main import cli
from omniroute.errors import RequestError, UsageError

CONFIG = """\
providers:
  p:
    format: openai-chat
    base_url: https://p.example/v1
    connections: {main: {priority: 1}, spare: {priority: 2}, old: {enabled: false}}
    models:
      large: {capabilities: [tools, vision], price: {input: 2, output: 4}}
      small: {capabilities: [tools], price: {input: 0.2, output: 0.4}}
aliases: {"gpt-*": smart}
combos:
  smart:
    strategy: cost-optimized
    targets:
      - p/large
      - {model: p/small, when: "tags.team == 'web'"}
auth: {require_api_key: false}
keys:
  web:
    hash: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    tags: {team: web}
    models: [smart]
    expires: 2030-01-01
policies:
  - id: nights
    when: "now.hour >= `20`"
    action: route
    to: p/large
  - id: no-sundays
    when: "now.weekday == `7`"
    action: deny
    message: closed
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "omniroute.yaml"
    path.write_text(CONFIG)
    return path


def route(file: Path, *args: str) -> Result:
    return CliRunner().invoke(cli, ["route", "-c", str(file), *args])


def plan(file: Path, *args: str) -> dict[str, list[dict[str, object]]]:
    result = route(file, *args, "--format", "json", "--at", "2026-11-24T10:00Z")
    assert result.exception is None, result.output
    return json.loads(result.stdout)


def test_text_names_every_step_and_its_place(file: Path) -> None:
    result = route(file, "gpt-5", "--at", "2026-11-24T10:00Z", "--tokens", "1000")
    lines = result.stdout.replace(str(file), "omniroute.yaml").splitlines()
    assert [line.rstrip() for line in lines] == [
        "gpt-5",
        "  alias gpt-* (omniroute.yaml:9:11)",
        "  combo smart (omniroute.yaml:11:3) cost-optimized; falls back on 429, 5xx, timeout,"
        " connection; at most 4 attempts",
        "  1.  p/large via main   cost-optimized: about 0.006096 USD; balance priority, priority 1"
        "  (omniroute.yaml:14:9)",
        "  2.  p/large via spare  cost-optimized: about 0.006096 USD; balance priority, priority 2"
        "  (omniroute.yaml:14:9)",
        "left out",
        "  -  p/large via old  connection p/old is disabled              (omniroute.yaml:14:9)",
        "  -  p/small          `when` does not hold: tags.team == 'web'  (omniroute.yaml:15:9)",
    ]


def test_a_key_brings_its_tags(file: Path) -> None:
    found = plan(file, "smart", "--key", "web")
    assert [step["model"] for step in found["candidates"]] == [
        "p/small",
        "p/small",
        "p/large",
        "p/large",
    ]


def test_capabilities_are_heeded(file: Path) -> None:
    found = plan(file, "smart", "--key", "web", "--vision")
    assert {step["model"] for step in found["candidates"]} == {"p/large"}
    assert {row["reason"] for row in found["excluded"]} >= {"lacks vision"}


def test_policies_apply_at_that_time(file: Path) -> None:
    result = route(file, "smart", "--at", "2026-11-24T22:00Z", "--format", "json")
    found = json.loads(result.stdout)
    assert (found["resolved"], found["policies"][0]["id"]) == ("p/large", "nights")


def test_a_refusal_names_its_rule(file: Path) -> None:
    result = route(file, "smart", "--at", "2026-11-29T10:00Z")
    assert isinstance(result.exception, RequestError)
    assert result.exception.message.startswith("refused by policy:no-sundays")


def test_a_condition_sees_the_request(file: Path) -> None:
    text = CONFIG.replace("tags.team == 'web'", "request.stream && request.headers.tier == 'x'")
    file.write_text(text)
    args = ("smart", "--stream", "--header", "Tier=x")
    assert plan(file, *args)["candidates"][0]["model"] == "p/small"
    assert {row["model"] for row in plan(file, *args[:2])["candidates"]} == {"p/large"}


def test_without_a_key_where_one_is_required_nothing_is_routed(file: Path) -> None:
    file.write_text(CONFIG.replace("require_api_key: false", "require_api_key: true"))
    result = route(file, "smart")
    assert isinstance(result.exception, RequestError)
    assert "--key" in result.exception.message


@pytest.mark.parametrize(
    ("args", "kind"),
    [
        (("p/large", "--key", "web"), RequestError),
        (("unheard",), RequestError),
        (("smart", "--key", "nobody"), UsageError),
        (("smart", "--at", "tonight"), UsageError),
        (("smart", "--key", "web", "--at", "2031-01-01T00:00Z"), RequestError),
    ],
)
def test_what_cannot_be_routed(file: Path, args: tuple[str, ...], kind: type[Exception]) -> None:
    assert isinstance(route(file, *args).exception, kind)
