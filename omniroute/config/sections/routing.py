"""The sections `aliases`, `combos` and `resilience`, the last also inside providers and combos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal, cast

from omniroute.config.model import (
    Breaker,
    Combo,
    Cooldown,
    Queue,
    Resilience,
    Retry,
    Sticky,
    StrategyName,
    Target,
)
from omniroute.config.view import View

FROM_HEADER: Final = "from-header"
_FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "retry": {
        "attempts": "attempts",
        "base": "base_s",
        "max_interval": "max_interval_s",
        "honor_retry_after": "honor_retry_after",
    },
    "breaker": {
        "failures": "failures",
        "window": "window_s",
        "open": "open_s",
        "half_open_probes": "half_open_probes",
    },
    "cooldown": {"rate_limited": "rate_limited_s", "error": "error_s", "auth": "auth_s"},
    "queue": {
        "max_wait": "max_wait_s",
        "max_concurrent": "max_concurrent",
        "requests_per_minute": "requests_per_minute",
        "min_gap": "min_gap_s",
    },
}
"""Part and key in the file, to the field of the model."""


def build_aliases(root: View) -> Mapping[str, str]:
    return root.text_map("aliases")


def build_combos(root: View, resilience: Resilience) -> Mapping[str, Combo]:
    return {name: _build_combo(name, view, resilience) for name, view in root.views("combos")}


def _build_combo(name: str, view: View, resilience: Resilience) -> Combo:
    default = Combo(id=name, targets=())
    own = view.view("resilience")
    return Combo(
        id=name,
        strategy=cast("StrategyName", view.text("strategy", default.strategy)),
        targets=tuple(_build_targets(view)),
        fallback_on=view.words("fallback_on", default.fallback_on),
        max_attempts=view.integer("max_attempts", default.max_attempts),
        sticky=_build_sticky(view.view("sticky")) if "sticky" in view else None,
        resilience=build_resilience(own, resilience) if "resilience" in view else None,
        resilience_set=tuple(_set_fields(own)),
    )


def _build_targets(view: View) -> Iterator[Target]:
    for item in view.texts_or_maps("targets"):
        if isinstance(item, str):
            yield Target(model=item)
        else:
            yield Target(
                model=item.text("model", ""),
                weight=item.integer("weight", 1),
                when=item.optional_text("when"),
            )


def _build_sticky(view: View) -> Sticky:
    default = Sticky()
    return Sticky(
        by=cast("Literal['session', 'key']", view.text("by", default.by)),
        ttl_s=view.duration_s("ttl", default.ttl_s),
    )


def _set_fields(view: View) -> Iterator[tuple[str, str]]:
    for part, fields in _FIELDS.items():
        inner = view.view(part)
        yield from ((part, field) for key, field in fields.items() if key in inner)


def build_resilience(view: View, base: Resilience) -> Resilience:
    """`base` with the declared fields put over it."""
    return Resilience(
        retry=_build_retry(view.view("retry"), base.retry),
        breaker=_build_breaker(view.view("breaker"), base.breaker),
        cooldown=_build_cooldown(view.view("cooldown"), base.cooldown),
        queue=_build_queue(view.view("queue"), base.queue),
    )


def _build_retry(view: View, base: Retry) -> Retry:
    return Retry(
        attempts=view.integer("attempts", base.attempts),
        base_s=view.duration_s("base", base.base_s),
        max_interval_s=view.duration_s("max_interval", base.max_interval_s),
        honor_retry_after=view.boolean("honor_retry_after", default=base.honor_retry_after),
    )


def _build_breaker(view: View, base: Breaker) -> Breaker:
    return Breaker(
        failures=view.integer("failures", base.failures),
        window_s=view.duration_s("window", base.window_s),
        open_s=view.duration_s("open", base.open_s),
        half_open_probes=view.integer("half_open_probes", base.half_open_probes),
    )


def _build_cooldown(view: View, base: Cooldown) -> Cooldown:
    fixed_s = base.rate_limited_s
    if view.scalar("rate_limited") == FROM_HEADER:
        fixed_s = None
    elif "rate_limited" in view:
        fixed_s = view.duration_s("rate_limited", 0.0)
    return Cooldown(
        rate_limited_s=fixed_s,
        error_s=view.duration_s("error", base.error_s),
        auth_s=view.duration_s("auth", base.auth_s),
    )


def _build_queue(view: View, base: Queue) -> Queue:
    return Queue(
        max_wait_s=view.duration_s("max_wait", base.max_wait_s),
        max_concurrent=view.integer("max_concurrent", base.max_concurrent),
        requests_per_minute=view.integer("requests_per_minute", base.requests_per_minute),
        min_gap_s=view.duration_s("min_gap", base.min_gap_s),
    )
