"""Which failure lets whom be tried next, and the budget against retry storms."""

from __future__ import annotations

from random import Random

import pytest

from omniroute.config.model import Retry
from omniroute.errors import (
    Kind,
    UpstreamConnectError,
    UpstreamCutError,
    UpstreamError,
    UpstreamTimeoutError,
)
from omniroute.routing.retry import RetryBudget, Verdict, backoff_s, classify, failure_of, matches
from omniroute.translation.values import Failure

DEFAULT = ("429", "5xx", "timeout", "connection")


def failure(kind: Kind, status: int, message: str = "no", code: str | None = None) -> Failure:
    return Failure(kind=kind, status=status, message=message, code=code)


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (
            failure("rate_limit", 429),
            Verdict(blame="quota", again=True, next_connection=True, next_target=True),
        ),
        (
            failure("overloaded", 529),
            Verdict(blame="provider", again=True, next_connection=True, next_target=True),
        ),
        (
            failure("upstream", 500),
            Verdict(blame="provider", again=True, next_connection=True, next_target=True),
        ),
        (
            failure("timeout", 504),
            Verdict(blame="provider", next_connection=True, next_target=True),
        ),
        (
            failure("authentication", 401),
            Verdict(blame="credential", next_connection=True, next_target=True),
        ),
        (failure("budget", 402), Verdict(blame="credential", next_connection=True)),
        (
            failure("permission", 403),
            Verdict(blame="model", next_connection=True, next_target=True),
        ),
        (failure("context_length", 400), Verdict(blame="nobody", larger_window=True)),
        (failure("invalid_request", 400), Verdict(blame="nobody")),
        (failure("not_found", 404), Verdict(blame="nobody")),
        (failure("content_filter", 400), Verdict(blame="nobody")),
    ],
    ids=lambda value: value.kind if isinstance(value, Failure) else "",
)
def test_default_rules(said: Failure, verdict: Verdict) -> None:
    assert classify(said, DEFAULT) == verdict


@pytest.mark.parametrize(
    ("rule", "said", "holds"),
    [
        ("404", failure("not_found", 404), True),
        ("404", failure("invalid_request", 400), False),
        ("4xx", failure("invalid_request", 422), True),
        ("5xx", failure("upstream", 502), True),
        ("5xx", failure_of(UpstreamTimeoutError("late", phase="idle")), False),
        ("5xx", failure_of(UpstreamConnectError("refused")), False),
        ("5xx", failure_of(UpstreamCutError("cut")), True),
        ("connection", failure_of(UpstreamCutError("cut")), True),
        ("connection", failure("upstream", 500), False),
        ("timeout", failure_of(UpstreamTimeoutError("late", phase="first_byte")), True),
        ("budget", failure("budget", 402), True),
        ("content_filter", failure("content_filter", 400), True),
        ("contains:is loading", failure("invalid_request", 400, "the model Is Loading"), True),
        ("contains:model_down", failure("invalid_request", 400, code="model_down"), True),
        ("contains:is loading", failure("invalid_request", 400, "bad field"), False),
    ],
)
def test_words_of_fallback_on(rule: str, said: Failure, *, holds: bool) -> None:
    assert matches(rule, said) is holds


@pytest.mark.parametrize(
    "error",
    [
        UpstreamConnectError("dial tcp 10.1.2.3:443: refused"),
        UpstreamTimeoutError("10.1.2.3 silent", phase="connect"),
        UpstreamCutError("10.1.2.3 reset"),
    ],
)
def test_a_transports_words_stay_inside(error: UpstreamError) -> None:
    assert "10.1.2.3" not in failure_of(error).message


def test_backoff_doubles_jitters_and_is_bounded() -> None:
    retry = Retry(base_s=0.2, max_interval_s=1.0)
    rng = Random(1)  # noqa: S311 - spreads load, guards nothing
    for tries, top_s in ((1, 0.2), (2, 0.4), (3, 0.8), (4, 1.0), (500, 1.0)):
        waits_s = [backoff_s(retry, tries, rng) for _ in range(200)]
        assert all(top_s / 2 <= wait_s <= top_s for wait_s in waits_s)
        assert len(set(waits_s)) > 100


def test_budget_is_a_share_of_the_traffic_and_a_floor() -> None:
    budget = RetryBudget(0.0)
    start = sum(budget.spend(0.0) for _ in range(100))
    assert start == budget.CAPACITY / 2
    for _ in range(50):
        budget.earn()
    assert sum(budget.spend(0.0) for _ in range(100)) in (9, 10)
    assert sum(budget.spend(3.0) for _ in range(100)) == 3
