"""Rest periods learned from providers: `Retry-After`, `x-ratelimit-*`, `anthropic-ratelimit-*`.

Header facts: RFC 9110 10.2.3 (Retry-After, seconds or an HTTP date); OpenAI's rate limit guide
(`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, resets as `1s`, `6m0s`, `120ms`);
Anthropic's (`anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,
reset}`, resets as RFC 3339 instants). Others send plain seconds or epoch seconds as reset; both are
told apart by size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from msgspec import Struct

MAX_WAIT_S: Final = 86400.0  # what a header may ask for at most; a year is a broken clock
_EPOCH_FLOOR: Final = 1e9  # a "reset" above it is an instant (2001 and later), below it a duration
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)")
_PART_S: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
_NUMBER: Final = re.compile(r"\d{1,15}(?:\.\d{1,15})?")
DIMENSIONS: Final = ("requests", "tokens", "input-tokens", "output-tokens")


class Quota(Struct, frozen=True, kw_only=True):
    """One dimension of a provider's own limit, as its last answer gave it."""

    limit: int | None
    remaining: int | None
    reset_s: float | None
    """Seconds from the answer until it is full again."""


def parse_retry_after(value: str, now: datetime) -> float | None:
    """Seconds to wait, never negative; None when the header cannot be read.

    Takes both forms, seconds and an HTTP date against `now` in UTC.
    """
    value = value.strip()
    if _NUMBER.fullmatch(value):
        return min(float(value), MAX_WAIT_S)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return _until(at, now)


def parse_reset(value: str, now: datetime) -> float | None:
    """`6m0s`, `120ms`, `7.66s`, `30`, epoch seconds or an RFC 3339 instant, to seconds from now."""
    value = value.strip()
    if _NUMBER.fullmatch(value):
        number = float(value)
        if number >= _EPOCH_FLOOR:
            if number >= _EPOCH_FLOOR * 1000:
                number /= 1000
            number -= now.timestamp()
        return min(max(number, 0.0), MAX_WAIT_S)
    if len(value) <= 40:
        parts = _PART.findall(value)
        if parts and "".join(number + unit for number, unit in parts) == value:
            total = sum(float(number) * _PART_S[unit] for number, unit in parts)
            return min(total, MAX_WAIT_S)
    try:
        return _until(datetime.fromisoformat(value), now)
    except (ValueError, OverflowError):
        return None


def _until(at: datetime, now: datetime) -> float:
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    try:
        return min(max((at - now).total_seconds(), 0.0), MAX_WAIT_S)
    except OverflowError:
        return MAX_WAIT_S


def read_retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """The wait that a response asks for: `retry-after-ms` (OpenAI), else `retry-after`."""
    exact = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(exact):
        return min(float(exact) / 1000, MAX_WAIT_S)
    value = headers.get("retry-after")
    return parse_retry_after(value, now) if value is not None else None


def read_quotas(headers: Mapping[str, str], now: datetime) -> Mapping[str, Quota]:
    """What the provider said about its limits, by dimension; empty when it said nothing."""
    if not any("ratelimit" in name for name in headers):
        return {}  # asked after every answer, and most say nothing: thirty look-ups less
    found: dict[str, Quota] = {}
    for name in DIMENSIONS:
        quota = _read_quota(headers, "anthropic-ratelimit-{name}-{field}", name, now)
        quota = quota or _read_quota(headers, "x-ratelimit-{field}-{name}", name, now)
        if quota is not None:
            found[name] = quota
    if not found:
        quota = _read_quota(headers, "x-ratelimit-{field}", "requests", now)
        quota = quota or _read_quota(headers, "ratelimit-{field}", "requests", now)
        if quota is not None:
            found["requests"] = quota
    return found


def _read_quota(
    headers: Mapping[str, str], template: str, name: str, now: datetime
) -> Quota | None:
    def field(part: str) -> str | None:
        return headers.get(template.format(name=name, field=part))

    limit, remaining, reset = field("limit"), field("remaining"), field("reset")
    if remaining is None and limit is None:
        return None
    return Quota(
        limit=_count(limit),
        remaining=_count(remaining),
        reset_s=parse_reset(reset, now) if reset is not None else None,
    )


def _count(value: str | None) -> int | None:
    value = (value or "").strip()
    return int(float(value)) if _NUMBER.fullmatch(value) else None


def exhausted_for_s(quotas: Mapping[str, Quota]) -> float:
    """How long the provider has said that nothing more will pass; 0 while something is left."""
    return max(
        (
            quota.reset_s
            for quota in quotas.values()
            if quota.remaining == 0 and quota.reset_s is not None
        ),
        default=0.0,
    )


def share_left(quotas: Mapping[str, Quota]) -> float:
    """The scarcest dimension's share that is left, 1.0 when nothing is known."""
    return min(
        (
            min(quota.remaining / quota.limit, 1.0)
            for quota in quotas.values()
            if quota.limit and quota.remaining is not None
        ),
        default=1.0,
    )
