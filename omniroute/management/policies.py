"""Policies as they are in force, each with the place that declares it."""

from __future__ import annotations

from msgspec import Struct

from omniroute.config.model import KeyRateLimit, Policy
from omniroute.management.derived import show, shown
from omniroute.management.place import Place, place
from omniroute.worker.runtime import Runtime


class PolicyLimit(shown(KeyRateLimit), frozen=True):
    """Null and 0 are no limit."""


class PolicyReport(shown(Policy, parts=(PolicyLimit,), base=Place), frozen=True):
    """One policy."""


class Policies(Struct, frozen=True, kw_only=True, rename="camel"):
    """In the order in which they decide."""

    policies: list[PolicyReport]


def policies(runtime: Runtime) -> Policies:
    config = runtime.snapshot.config
    return Policies(
        policies=[
            show(PolicyReport, policy, **place(config.positions.get(("policies", at))))
            for at, policy in enumerate(config.policies)
        ]
    )
