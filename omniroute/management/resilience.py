"""The effective resilience settings: the general ones, and what providers and combos change."""

from __future__ import annotations

from typing import Any

from omniroute.config.model import Resilience
from omniroute.gateway.runtime import Runtime
from omniroute.management.connections import breakers


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
