"""Rules about time bounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from omniroute.config.diagnostics import Diagnostic, Path, error, warning
from omniroute.config.lint.facts import LintFacts

_BOUNDS: Final = ("connect", "first_byte", "idle")


def zero_timeout(facts: LintFacts) -> Iterator[Diagnostic]:
    bounds: list[tuple[float, Path]] = [
        (facts.config.server.request_timeout_s, ("server", "request_timeout")),
        (facts.config.usage.retention_s, ("usage", "retention")),
        (facts.config.usage.session.idle_s, ("usage", "session", "idle")),
        (facts.config.auth.dashboard.session_ttl_s, ("auth", "dashboard", "session_ttl")),
    ]
    for provider in facts.config.providers.values():
        timeout = provider.timeout
        values = (timeout.connect_s, timeout.first_byte_s, timeout.idle_s)
        bounds += [
            (value, ("providers", provider.id, "timeout", name))
            for name, value in zip(_BOUNDS, values, strict=True)
        ]
    for value, path in bounds:
        if value <= 0:
            yield error(
                "OR530",
                facts.value_mark(path),
                "this time must be longer than 0",
                path=path,
                hint="0 does not mean endless here; write a long time such as 1h instead",
            )


def timeouts_do_not_fit(facts: LintFacts) -> Iterator[Diagnostic]:
    whole_s = facts.config.server.request_timeout_s
    if whole_s <= 0:
        return
    for provider in facts.config.providers.values():
        path = ("providers", provider.id, "timeout")
        waiting_s = provider.timeout.connect_s + provider.timeout.first_byte_s
        # A provider's defaults are no decision to argue with: the whole request's bound cuts them.
        if waiting_s > whole_s and facts.has(path):
            yield warning(
                "OR531",
                facts.key_mark(path),
                f"connecting to {provider.id} and waiting for its first byte may take "
                f"{waiting_s:g} s, a whole request only {whole_s:g} s",
                path=path,
                hint="shorten `timeout`, or lengthen `server.request_timeout`",
            )
