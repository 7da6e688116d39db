"""The sections `policies`, `ip_filter`, `budgets`, `cache`, `idempotency`, `state` and `tests`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from omniroute.base.units import parse_rate
from omniroute.config.model import (
    Budget,
    Cache,
    ConfigTest,
    ExactCache,
    IpFilter,
    KeyRateLimit,
    Policy,
    Ref,
    SemanticCache,
    SystemPrompt,
    ThinkingBudget,
)
from omniroute.config.view import View


def build_rate_limit(view: View) -> KeyRateLimit:
    return KeyRateLimit(
        requests=_rate(view, "requests"),
        tokens=_rate(view, "tokens"),
        concurrent=view.integer("concurrent", 0),
    )


def _rate(view: View, key: str) -> tuple[int, float] | None:
    text = view.optional_text(key)
    return None if text is None else parse_rate(text)


def build_policies(root: View) -> tuple[Policy, ...]:
    return tuple(
        Policy(
            id=view.text("id", ""),
            action=cast("Any", view.text("action", "deny")),
            when=view.optional_text("when"),
            message=view.optional_text("message"),
            to=view.optional_text("to"),
            values=view.plain_map("values"),
            limit=build_rate_limit(view.view("limit")) if "limit" in view else None,
            per=cast("Any", view.text("per", "all")),
            require=view.optional_text("require"),
        )
        for view in root.items("policies")
    )


def build_ip_filter(view: View) -> IpFilter:
    default = IpFilter()
    return IpFilter(
        mode=cast("Any", view.text("mode", default.mode)),
        allow=view.texts("allow"),
        deny=view.texts("deny"),
        apply_to=cast("Any", view.texts("apply_to", default.apply_to)),
    )


def build_budgets(root: View) -> Mapping[str, Budget]:
    return {name: _build_budget(name, view) for name, view in root.views("budgets")}


def _build_budget(name: str, view: View) -> Budget:
    hook = view.view("webhook")
    return Budget(
        id=name,
        scope=_scope(view),
        limit_nanousd=view.nanousd("limit") or 0,
        period=cast("Any", view.text("period", "monthly")),
        timezone=view.text("timezone", "UTC"),
        warn_at=tuple(float(text.rstrip("%")) / 100 for text in view.texts("warn_at")),
        action=cast("Any", view.text("action", "reject")),
        degrade_to=view.optional_text("degrade_to"),
        webhook=view.ref("webhook") or hook.ref("url"),
        webhook_private_network=hook.boolean("allow_private_network", default=False),
    )


def _scope(view: View) -> tuple[str, ...]:
    inner = view.view("scope")
    for kind in ("key", "provider", "model"):
        name = inner.optional_text(kind)
        if name is not None:
            return (kind, name)
    for name, value in inner.text_map("tag").items():
        return ("tag", name, value)
    return ("global",)


def build_system_prompt(view: View) -> SystemPrompt:
    default = SystemPrompt()
    return SystemPrompt(
        enabled=view.boolean("enabled", default=default.enabled),
        text=view.text("text", default.text),
        position=cast("Any", view.text("position", default.position)),
    )


def build_thinking_budget(view: View) -> ThinkingBudget:
    default = ThinkingBudget()
    return ThinkingBudget(
        mode=cast("Any", view.text("mode", default.mode)),
        tokens=view.integer("tokens", default.tokens),
        effort=view.text("effort", default.effort),
    )


def build_cache(view: View) -> Cache:
    default = ExactCache()
    exact = view.view("exact")
    alike = SemanticCache()
    semantic = view.view("semantic")
    return Cache(
        exact=ExactCache(
            enabled=exact.boolean("enabled", default=default.enabled),
            ttl_s=exact.duration_s("ttl", default.ttl_s),
            max_entries=exact.integer("max_entries", default.max_entries),
            max_bytes=exact.size_bytes("max_bytes", default.max_bytes),
            persist=exact.boolean("persist", default=default.persist),
        ),
        semantic=SemanticCache(
            enabled=semantic.boolean("enabled", default=alike.enabled),
            embedding_model=semantic.text("embedding_model", alike.embedding_model),
            threshold=semantic.number("threshold", alike.threshold),
            timeout_s=semantic.duration_s("timeout", alike.timeout_s),
            ttl_s=semantic.duration_s("ttl", alike.ttl_s),
            max_entries=semantic.integer("max_entries", alike.max_entries),
            max_bytes=semantic.size_bytes("max_bytes", alike.max_bytes),
            persist=semantic.boolean("persist", default=alike.persist),
        ),
        scope=cast("Any", view.text("scope", "key")),
    )


def build_state_url(view: View) -> Ref | None:
    return None if view.scalar("url") == "auto" else view.ref("url")


def build_tests(root: View) -> tuple[ConfigTest, ...]:
    return tuple(
        ConfigTest(
            name=view.text("name", ""),
            given=view.plain_map("given"),
            expect=view.plain_map("expect"),
            mark=view.mark,
        )
        for view in root.items("tests")
    )
