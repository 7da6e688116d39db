"""The resilience settings: what is in force, and what a change of them means in the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from omniroute.config.model import Resilience
from omniroute.config.patch import Values
from omniroute.config.sections.routing import FROM_HEADER
from omniroute.errors import RequestError
from omniroute.management.amount import count, duration, flag, members, unknown
from omniroute.management.connections import breakers
from omniroute.worker.runtime import Runtime

SECTION: Final = "resilience"
_FIELDS: Final[
    Mapping[str, tuple[str, Mapping[str, tuple[str, Callable[[object, str], object]]]]]
] = {
    "requestQueue": (
        "queue",
        {
            "requestsPerMinute": ("requests_per_minute", count),
            "minTimeBetweenRequestsMs": ("min_gap", duration),
            "concurrentRequests": ("max_concurrent", count),
            "maxWaitMs": ("max_wait", duration),
        },
    ),
    "connectionCooldown": (
        "cooldown",
        {"errorMs": ("error", duration), "authMs": ("auth", duration)},
    ),
    "providerBreaker": (
        "breaker",
        {
            "failureThreshold": ("failures", count),
            "windowMs": ("window", duration),
            "resetTimeoutMs": ("open", duration),
            "halfOpenProbes": ("half_open_probes", count),
        },
    ),
    "retry": (
        "retry",
        {
            "attempts": ("attempts", count),
            "baseMs": ("base", duration),
            "maxIntervalMs": ("max_interval", duration),
            "honorRetryAfter": ("honor_retry_after", flag),
        },
    ),
}
"""Part and field of the API, to those of the file and what reads the value."""
_SHOWN_ONLY: Final = frozenset({"overrides", "breakers"})
"""Parts that a client may send back as it got them."""


def settings(runtime: Runtime) -> dict[str, Any]:
    config = runtime.snapshot.config
    return {
        **shown(config.resilience),
        "overrides": {
            "providers": {
                provider.id: shown(provider.resilience)
                for provider in config.providers.values()
                if provider.resilience is not None and provider.resilience != config.resilience
            },
            "combos": {
                combo.id: [f"{part}.{field}" for part, field in combo.resilience_set]
                for combo in config.combos.values()
                if combo.resilience_set
            },
        },
        "breakers": breakers(runtime),
    }


def change_of(body: Mapping[str, Any], *, whole: bool) -> Values:
    """A request's body as values of the section; with `whole`, what it leaves out goes.

    Raises RequestError (400) that names the field.
    """
    values: dict[str, Any] = {part: None for part, _ in _FIELDS.values()} if whole else {}
    for name, given in body.items():
        if name in _SHOWN_ONLY:
            continue
        if name not in _FIELDS:
            raise unknown(name)
        part, fields = _FIELDS[name]
        inner: dict[str, Any] = dict.fromkeys(_keys_of(part)) if whole else {}
        left = dict(members(given, name))
        if part == "cooldown":
            inner |= _rate_limited(left)
        for field, value in left.items():
            if field not in fields:
                raise unknown(f"{name}.{field}")
            key, read = fields[field]
            inner[key] = read(value, f"{name}.{field}")
        values[part] = inner
    return values


def _keys_of(part: str) -> list[str]:
    extra = ["rate_limited"] if part == "cooldown" else []
    return [
        *extra,
        *(key for own, fields in _FIELDS.values() if own == part for key, _ in fields.values()),
    ]


def _rate_limited(fields: dict[str, Any]) -> dict[str, Any]:
    """The two fields that say one thing: as the provider's headers say, or a fixed time."""
    hints = fields.pop("useUpstreamRetryHints", None)
    fixed = fields.pop("rateLimitedMs", None)
    path = "connectionCooldown.rateLimitedMs"
    if fixed is not None and hints is not True:
        return {"rate_limited": duration(fixed, path)}
    if hints is True and fixed is None:
        return {"rate_limited": FROM_HEADER}
    if hints is None:
        return {}
    message = "useUpstreamRetryHints: false needs a rateLimitedMs, true must be without"
    raise RequestError("invalid_request", message, param=path)


def shown(settings: Resilience) -> dict[str, Any]:
    """In milliseconds, under the names that clients of the original know."""
    cooldown, queue = settings.cooldown, settings.queue
    fixed_s = cooldown.rate_limited_s
    return {
        "requestQueue": {
            "requestsPerMinute": queue.requests_per_minute,
            "minTimeBetweenRequestsMs": _ms(queue.min_gap_s),
            "concurrentRequests": queue.max_concurrent,
            "maxWaitMs": _ms(queue.max_wait_s),
        },
        "connectionCooldown": {
            "useUpstreamRetryHints": fixed_s is None,
            "rateLimitedMs": None if fixed_s is None else _ms(fixed_s),
            "errorMs": _ms(cooldown.error_s),
            "authMs": _ms(cooldown.auth_s),
        },
        "providerBreaker": {
            "failureThreshold": settings.breaker.failures,
            "windowMs": _ms(settings.breaker.window_s),
            "resetTimeoutMs": _ms(settings.breaker.open_s),
            "halfOpenProbes": settings.breaker.half_open_probes,
        },
        "retry": {
            "attempts": settings.retry.attempts,
            "baseMs": _ms(settings.retry.base_s),
            "maxIntervalMs": _ms(settings.retry.max_interval_s),
            "honorRetryAfter": settings.retry.honor_retry_after,
        },
    }


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
