"""The resilience settings: what is in force, and what a change of them means in the file."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from msgspec import UNSET, Struct, UnsetType, field

from omniroute.config.change import Values
from omniroute.config.fields import FROM_HEADER
from omniroute.config.model import Breaker, Config, Cooldown, Queue, Resilience, Retry
from omniroute.errors import RequestError
from omniroute.management.connections import BreakerReport, breakers
from omniroute.management.derived import changes, in_file, path_in_api, show, shown
from omniroute.worker.runtime import Runtime

T = TypeVar("T", bound=Struct)
SECTION: Final = "resilience"


class RequestQueue(
    shown(
        Queue,
        names={"min_gap_s": "minTimeBetweenRequestsMs", "max_concurrent": "concurrentRequests"},
    ),
    frozen=True,
):
    """Per connection; 0 turns a bound off."""


class ConnectionCooldown(shown(Cooldown), frozen=True, kw_only=True, rename="camel"):
    """`rateLimitedMs` is null where the provider's own headers decide."""

    use_upstream_retry_hints: bool

    @staticmethod
    def derive(value: Cooldown) -> dict[str, object]:
        return {"use_upstream_retry_hints": value.rate_limited_s is None}


class ProviderBreaker(
    shown(Breaker, names={"failures": "failureThreshold", "open_s": "resetTimeoutMs"}),
    frozen=True,
):
    """When a connection is left alone with a model, and for how long."""


class Retries(shown(Retry), frozen=True):
    """How often one connection is asked, and the waits between."""


class ResilienceSettings(
    shown(
        Resilience,
        names={
            "queue": "requestQueue",
            "cooldown": "connectionCooldown",
            "breaker": "providerBreaker",
        },
        parts=(RequestQueue, ConnectionCooldown, ProviderBreaker, Retries),
    ),
    frozen=True,
):
    """In milliseconds, under the names that clients of the original know."""


class Overrides(Struct, frozen=True, kw_only=True, rename="camel"):
    """What providers and combos change of the general settings."""

    providers: dict[str, ResilienceSettings]
    combos: dict[str, list[str]]
    """The fields above that each combo sets itself, such as `retry.baseMs`."""


class ResilienceOverview(ResilienceSettings, frozen=True, kw_only=True, rename="camel"):
    """The general settings, what is set apart from them, and every breaker that was used."""

    overrides: Overrides
    breakers: list[BreakerReport]


class ResilienceChanged(ResilienceOverview, frozen=True, kw_only=True, rename="camel"):
    """What is in force after a change."""

    ok: bool


class QueueChange(changes(RequestQueue), frozen=True, kw_only=True, rename="camel"):
    """`autoEnableApiKeyProviders` is taken and not kept: every connection has its queue."""

    auto_enable_api_key_providers: bool | UnsetType = UNSET


class ResilienceChange(changes(ResilienceSettings), frozen=True, kw_only=True, rename="camel"):
    """`overrides` and `breakers` may be sent back as they came; they change nothing."""

    queue: QueueChange | UnsetType = field(default=UNSET, name="requestQueue")
    overrides: Any = UNSET
    breakers: Any = UNSET


def settings(runtime: Runtime) -> ResilienceOverview:
    return _overview(runtime, ResilienceOverview)


def changed(runtime: Runtime) -> ResilienceChanged:
    """The answer to a change."""
    return _overview(runtime, ResilienceChanged, ok=True)


def _overview(runtime: Runtime, kind: type[T], **more: object) -> T:
    config = runtime.snapshot.config
    overrides = _overrides(config)
    return show(kind, config.resilience, overrides=overrides, breakers=breakers(runtime), **more)


def _overrides(config: Config) -> Overrides:
    return Overrides(
        providers={
            provider.id: show(ResilienceSettings, provider.resilience)
            for provider in config.providers.values()
            if provider.resilience is not None and provider.resilience != config.resilience
        },
        combos={
            combo.id: [path_in_api(ResilienceSettings, *names) for names in combo.resilience_set]
            for combo in config.combos.values()
            if combo.resilience_set
        },
    )


def change_of(body: ResilienceChange, *, whole: bool) -> Values:
    """A request's body as values of the section; with `whole`, what it leaves out goes.

    Raises RequestError (400) that names the field.
    """
    values = in_file(body, whole=whole)
    given: Any = getattr(body, "cooldown", UNSET)
    if given is not UNSET:
        values["cooldown"] |= _rate_limited(given, values["cooldown"].pop("rate_limited", None))
        if whole:
            values["cooldown"].setdefault("rate_limited", None)
    return values


def _rate_limited(given: Any, fixed: str | None) -> dict[str, str]:
    """The two fields that say one thing: as the provider's headers say, or a fixed time."""
    hints = given.use_upstream_retry_hints
    if fixed is not None and hints is not True:
        return {"rate_limited": fixed}
    if hints is True and fixed is None:
        return {"rate_limited": FROM_HEADER}
    if hints is UNSET:
        return {}
    message = "useUpstreamRetryHints: false needs a rateLimitedMs, true must be without"
    raise RequestError("invalid_request", message, param="connectionCooldown.rateLimitedMs")
