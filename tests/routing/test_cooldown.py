"""Limits learned from headers: every style in use, and nothing from garbage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniroute.routing.cooldown import (
    MAX_WAIT_S,
    Quota,
    exhausted_for_s,
    parse_reset,
    parse_retry_after,
    read_quotas,
    read_retry_after,
    share_left,
)

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("20", 20.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("Tue, 24 Nov 2026 12:00:30 GMT", 30.0),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0.0),
        ("99999999", MAX_WAIT_S),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("Tue, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("6m0s", 360.0),
        ("1s", 1.0),
        ("120ms", 0.12),
        ("7.66s", 7.66),
        ("1h2m3s", 3723.0),
        ("2d", MAX_WAIT_S),
        ("30", 30.0),
        (str(int(NOW.timestamp()) + 45), 45.0),
        (str((int(NOW.timestamp()) + 45) * 1000), 45.0),
        ("2026-11-24T12:01:00Z", 60.0),
        ("2026-11-24T13:01:00+01:00", 60.0),
        ("2026-11-24T11:00:00Z", 0.0),
        ("later", None),
        ("6m0", None),
    ],
)
def test_reset(value: str, seconds: float | None) -> None:
    assert parse_reset(value, NOW) == pytest.approx(seconds)


def test_milliseconds_win_over_seconds() -> None:
    assert read_retry_after({"retry-after-ms": "1500", "retry-after": "2"}, NOW) == 1.5


def test_openai_style() -> None:
    quotas = read_quotas(
        {
            "x-ratelimit-limit-requests": "60",
            "x-ratelimit-remaining-requests": "59",
            "x-ratelimit-reset-requests": "1s",
            "x-ratelimit-limit-tokens": "150000",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-tokens": "6m0s",
        },
        NOW,
    )
    assert quotas == {
        "requests": Quota(limit=60, remaining=59, reset_s=1.0),
        "tokens": Quota(limit=150000, remaining=0, reset_s=360.0),
    }
    assert exhausted_for_s(quotas) == 360.0
    assert share_left(quotas) == 0.0


def test_anthropic_style() -> None:
    quotas = read_quotas(
        {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": "2026-11-24T12:00:12Z",
            "anthropic-ratelimit-input-tokens-limit": "40000",
            "anthropic-ratelimit-input-tokens-remaining": "10000",
            "anthropic-ratelimit-input-tokens-reset": "2026-11-24T12:00:30Z",
        },
        NOW,
    )
    assert exhausted_for_s(quotas) == 12.0
    assert quotas["input-tokens"] == Quota(limit=40000, remaining=10000, reset_s=30.0)


def test_plain_style() -> None:
    headers = {"x-ratelimit-limit": "10", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "7"}
    assert exhausted_for_s(read_quotas(headers, NOW)) == 7.0


def test_nothing_said_is_nothing_known() -> None:
    assert read_quotas({"content-type": "text/html"}, NOW) == {}
    assert share_left({}) == 1.0


@given(st.text(max_size=60))
def test_any_text_gives_a_bounded_wait_or_none(text: str) -> None:
    for seconds in (parse_retry_after(text, NOW), parse_reset(text, NOW)):
        assert seconds is None or 0.0 <= seconds <= MAX_WAIT_S


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw loads Unicode tables
@given(
    st.dictionaries(
        st.sampled_from(
            [
                f"x-ratelimit-{part}-{what}"
                for part in ("limit", "remaining", "reset")
                for what in ("requests", "tokens")
            ]
        ),
        st.one_of(st.text(max_size=20), st.integers(-10, 10**20).map(str)),
    )
)
def test_any_headers_are_read_without_harm(headers: dict[str, str]) -> None:
    quotas = read_quotas(headers, NOW)
    assert 0.0 <= exhausted_for_s(quotas) <= MAX_WAIT_S
    assert 0.0 <= share_left(quotas) <= 1.0


@given(st.integers(0, 86_400))
def test_dates_and_seconds_agree(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert parse_retry_after(date, NOW) == parse_retry_after(str(seconds), NOW)
