"""Policies as they are in force, each with the place that declares it, and declaring them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from omniroute.config.change import merge
from omniroute.config.model import KeyRateLimit, Policy
from omniroute.management.derived import changes, in_file, show, shown
from omniroute.management.entries import Entry, Resource, at_the_top, unknown
from omniroute.management.place import Place, place
from omniroute.worker.runtime import Runtime

SECTION = "policies"
PolicyId = Annotated[str, Meta(min_length=1, max_length=128)]


class PolicyLimit(shown(KeyRateLimit), frozen=True):
    """Null and 0 are no limit."""


class PolicyReport(shown(Policy, parts=(PolicyLimit,), base=Place), frozen=True):
    """One policy."""


class Policies(Struct, frozen=True, kw_only=True, rename="camel"):
    """In the order in which they decide."""

    policies: list[PolicyReport]


class PolicyChange(changes(PolicyReport), frozen=True, kw_only=True):
    """What is left out stays, null takes it away."""

    id: PolicyId


class NewPolicy(changes(PolicyReport), frozen=True, kw_only=True):
    """A policy to be declared, behind all others."""

    id: PolicyId
    action: Literal["deny", "route", "set", "limit", "warn", "require"]


def policies(runtime: Runtime) -> Policies:
    config = runtime.snapshot.config
    return Policies(policies=[_report(runtime, at) for at in range(len(config.policies))])


def policy(runtime: Runtime, id: str) -> PolicyReport:
    """Raises RequestError (404)."""
    for at, one in enumerate(runtime.snapshot.config.policies):
        if one.id == id:
            return _report(runtime, at)
    raise unknown((SECTION,), id)


def _report(runtime: Runtime, at: int) -> PolicyReport:
    config = runtime.snapshot.config
    mark = config.positions.get((SECTION, at))
    return show(PolicyReport, config.policies[at], **place(mark))


def _made(wanted: NewPolicy) -> Entry:
    return merge({}, in_file(wanted, whole=False))


def _revised(entry: Entry, wanted: PolicyChange) -> Entry:
    return merge(entry, in_file(wanted, whole=False))


POLICIES = Resource(
    noun="policy",
    where=at_the_top(SECTION),
    show_all=policies,
    show=policy,
    id_of=lambda wanted: wanted.id,
    made=_made,
    revised=_revised,
)
