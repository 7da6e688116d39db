"""Policies: every action, their order, and that one which cannot be read refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from omniroute.admission.gate import compile_admission, decide
from omniroute.admission.policy import context_of
from omniroute.admission.values import Decided, Decision, Warned
from omniroute.config.context import CONTEXT_FIELDS
from omniroute.config.model import KeyRateLimit, Mark, Policy
from omniroute.errors import ExpressionError
from tests.admission.cases import NOW, admitted, caller, config, facts, key, refused

CI = caller(key("ci", tags={"team": "platform", "env": "ci"}))


def run(*policies: Policy, now: datetime = NOW, **asked: Any) -> Decision:
    marks = {("policies", index): Mark("p.yaml", index + 1, 3) for index in range(len(policies))}
    plan = compile_admission(config(policies=policies, positions=marks))
    return decide(plan, facts(CI, **asked), now)


def test_deny_names_the_rule_and_its_line() -> None:
    deny = Policy(
        id="no-opus-in-ci",
        when="tags.env == 'ci' && starts_with(request.model, 'cc/')",
        action="deny",
        message="CI may not use Opus; ask #ai-platform",
    )
    refusal = refused(run(deny, model="cc/claude-opus-4-6"))
    assert (refusal.error.status, refusal.error.message) == (403, deny.message)
    assert (refusal.decided_by, refusal.mark) == ("policy:no-opus-in-ci", Mark("p.yaml", 1, 3))
    assert admitted(run(deny, model="smart")).decided == ()


def test_route_by_the_hour() -> None:
    route = Policy(
        id="office-hours",
        when="request.model == 'smart' && (now.hour < `8` || now.hour >= `20`)",
        action="route",
        to="lab/llama",
    )
    assert admitted(run(route)).model == "smart"
    admit = admitted(run(route, now=datetime(2026, 11, 24, 22, tzinfo=UTC)))
    assert (admit.model, admit.routed_by) == ("lab/llama", "policy:office-hours")
    assert admit.decided == (Decided("office-hours", "route", Mark("p.yaml", 1, 3)),)


def test_later_policies_see_what_earlier_ones_did() -> None:
    route = Policy(id="r", action="route", to="cc/opus")
    deny = Policy(id="d", when="starts_with(request.model, 'cc/')", action="deny")
    assert refused(run(route, deny)).decided_by == "policy:d"
    assert admitted(run(deny, route)).model == "cc/opus"


def test_set_takes_literals_and_expressions() -> None:
    values = {
        "max_tokens": 2048,
        "metadata.cost_center": "'interns'",
        "system_prompt": "join(' ', ['For', tags.team])",
        "metadata.nothing": "tags.missing",
        "cache": True,
    }
    admit = admitted(run(Policy(id="s", action="set", values=values)))
    assert admit.set_fields == {
        "output.max_tokens": 2048,
        "metadata.cost_center": "interns",
        "system.replace": "For platform",
    }
    assert admit.cache is True
    twice = Policy(id="t", action="set", values={"max_tokens": 5, "cache": False})
    admit = admitted(run(Policy(id="s", action="set", values=values), twice))
    assert (admit.set_fields["output.max_tokens"], admit.cache) == (5, False)


def test_require() -> None:
    require = Policy(id="q", action="require", require='request.headers."x-team"', message="who?")
    assert refused(run(require)).error.message == "who?"
    admitted(run(require, headers={"x-team": "a"}))


def test_warn_and_limit() -> None:
    limit = KeyRateLimit(requests=(5, 60.0))
    admit = admitted(
        run(
            Policy(id="w", action="warn", message="deprecated"),
            Policy(id="l", action="limit", limit=limit),
            Policy(id="k", action="limit", limit=limit, per="key"),
            Policy(id="i", action="limit", limit=limit, per="ip"),
        )
    )
    assert admit.warnings == (Warned("policy:w", "deprecated"),)
    assert [rule.requests.key for rule in admit.limits if rule.requests] == [
        "policy:l|requests|60",
        "policy:k|ci|requests|60",
        "policy:i|10.0.0.7|requests|60",
    ]


@pytest.mark.parametrize("action", ["deny", "route", "set", "limit", "warn", "require"])
def test_a_policy_that_fails_refuses(action: Any) -> None:
    broken = Policy(id="b", when="starts_with(tags.missing, 'x')", action=action, to="lab/llama")
    refusal = refused(run(broken))
    assert (refusal.error.status, refusal.error.code) == (403, "policy_error")
    assert refusal.error.message == "policy 'b' could not be evaluated"
    assert refusal.detail is not None


def test_a_policy_that_does_not_compile_is_an_error_at_load() -> None:
    with pytest.raises(ExpressionError):
        run(Policy(id="b", when="a ==", action="deny"))


@pytest.mark.parametrize("text", ["{{7*7}}", "${env:HOME}", "tags.env == 'ci'", "`true`"])
def test_what_a_client_writes_stays_text(text: str) -> None:
    copy = Policy(id="c", action="set", values={"metadata.asked": "request.requested"})
    admit = admitted(run(copy, requested=text, headers={"x": text}))
    assert admit.set_fields == {"metadata.asked": text}


def test_no_client_header_gives_an_identity() -> None:
    deny = Policy(id="d", when="tags.env == 'ci'", action="deny")
    forged = {"x-omniroute-tags": "env=prod", "tags": "{}", "x-omniroute-key": "other"}
    assert refused(run(deny, headers=forged)).decided_by == "policy:d"


def test_the_documented_context_is_the_real_one() -> None:
    named = set[str]()
    for section, value in context_of(facts(CI), "smart", NOW).items():
        maps = ("client", "request", "now", "usage")
        inner = cast("dict[str, Any]", value) if section in maps else {}
        named.update([f"{section}.{name}" for name in inner] or [section])
    assert named == CONTEXT_FIELDS
