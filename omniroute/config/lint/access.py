"""Rules about who may call: listening address, keys, roles, models."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Final

from omniroute.config.diagnostics import Diagnostic, Related, error, warning
from omniroute.config.lint.facts import LintFacts
from omniroute.config.model import Mark
from omniroute.config.schema import did_you_mean
from omniroute.config.yamltree import Scalar, Seq

_REQUIRE_KEY: Final = ("auth", "require_api_key")
_SOON: Final = timedelta(days=14)
"""Time enough to tell people, and not so much that they are told for months."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on `host`."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def how_to_shut(*, keys: bool) -> str:
    """What keeps strangers out of a server that others can reach, with or without `keys` in it."""
    shut = "remove `require_api_key: false`" if keys else "declare a key under `keys`"
    return f"{shut}, or listen on 127.0.0.1"


def open_to_the_network(facts: LintFacts) -> Iterator[Diagnostic]:
    config, path = facts.config, ("server", "host")
    keys = bool(facts.names("keys"))
    if facts.refused(_REQUIRE_KEY) or (keys and not facts.has(_REQUIRE_KEY)):
        return  # a key that the schema refuses shuts the door once it is mended
    if not is_loopback(config.server.host) and not config.auth.require_api_key:
        yield error(
            "OR401",
            facts.value_mark(path),
            f"{config.server.host} can be reached from other machines, and no API key is required",
            path=path,
            hint=how_to_shut(keys=keys),
        )


def open_management(facts: LintFacts) -> Iterator[Diagnostic]:
    config, path = facts.config, ("auth", "dashboard", "require_login")
    if not is_loopback(config.server.host) and not config.auth.dashboard.require_login:
        yield error(
            "OR402",
            facts.value_mark(path),
            f"anybody who reaches {config.server.host} may use the management API",
            path=path,
            hint="remove `require_login: false`, or listen on 127.0.0.1",
        )


def keys_not_asked_for(facts: LintFacts) -> Iterator[Diagnostic]:
    path = _REQUIRE_KEY
    if facts.names("keys") and facts.has(path) and not facts.config.auth.require_api_key:
        yield warning(
            "OR403",
            facts.value_mark(path),
            "keys are declared, but callers without a key are let in",
            path=path,
            hint="remove the line: where a key is declared, one is required",
        )


def no_key_can_pass(facts: LintFacts) -> Iterator[Diagnostic]:
    path = _REQUIRE_KEY
    if facts.complete and facts.config.auth.require_api_key and not facts.names("keys"):
        yield warning(
            "OR404",
            facts.value_mark(path),
            "an API key is required, but none is declared: every call is refused",
            path=path,
            hint="make one with `omniroute keys new NAME --write`",
        )


def expired_key(facts: LintFacts) -> Iterator[Diagnostic]:
    for key in facts.config.keys.values():
        if key.expires is not None and key.expires <= facts.now:
            path = ("keys", key.id, "expires")
            yield warning(
                "OR405",
                facts.value_mark(path),
                f'the key "{key.id}" has expired',
                path=path,
                hint="remove the entry, or give it a later date",
            )


def key_stops_soon(facts: LintFacts) -> Iterator[Diagnostic]:
    for key in facts.config.keys.values():
        if key.disabled or key.expires is None:
            continue
        left = key.expires - facts.now
        if timedelta() < left <= _SOON:
            path = ("keys", key.id, "expires")
            yield warning(
                "OR408",
                facts.value_mark(path),
                f'the key "{key.id}" stops on {key.expires:%Y-%m-%d at %H:%M} UTC',
                path=path,
                hint=f"give it a later date, and another secret: omniroute keys rotate {key.id}",
            )


def hash_used_twice(facts: LintFacts) -> Iterator[Diagnostic]:
    seen: dict[str, tuple[str, Mark]] = {}
    for key in facts.config.keys.values():
        for digest, mark in _hash_marks(facts, key.id):
            owner, first = seen.setdefault(digest, (key.id, mark))
            if owner != key.id:
                yield error(
                    "OR406",
                    mark,
                    f'the keys "{owner}" and "{key.id}" have the same hash',
                    path=("keys", key.id, "hash"),
                    hint="one key has one owner; make another with `omniroute keys new`",
                    related=(Related(first, f'the hash of "{owner}"'),),
                )


def _hash_marks(facts: LintFacts, key_id: str) -> Iterator[tuple[str, Mark]]:
    node = facts.node(("keys", key_id, "hash"))
    for item in node.items if isinstance(node, Seq) else (node,):
        if isinstance(item, Scalar) and isinstance(item.value, str):
            yield item.value, item.mark


def model_glob_matches_nothing(facts: LintFacts) -> Iterator[Diagnostic]:
    if not facts.complete:
        return
    names = _public_names(facts)
    verdicts: dict[str, str | None] = {}
    for key in facts.config.keys.values():
        for index, glob in enumerate(key.models):
            if glob not in verdicts:
                fits = _can_match(facts, glob, names)
                verdicts[glob] = None if fits else _nearest(facts, glob, names)
            close = verdicts[glob]
            if close is not None:
                path = ("keys", key.id, "models", index)
                yield warning(
                    "OR407",
                    facts.value_mark(path),
                    f'"{glob}" matches no model',
                    path=path,
                    hint=f'did you mean "{close}"?' if close else None,
                )


def _nearest(facts: LintFacts, glob: str, names: frozenset[str]) -> str:
    """What was probably meant, empty when nothing is near."""
    provider, slash, rest = glob.partition("/")
    near = did_you_mean(provider, facts.names("providers")) if slash else None
    return f"{near}/{rest}" if near else did_you_mean(glob, names) or ""


def _public_names(facts: LintFacts) -> frozenset[str]:
    """Every name that a caller may ask for and that the configuration spells out."""
    names = set(facts.names("aliases")) | set(facts.names("combos"))
    for provider in facts.config.providers.values():
        names.update(f"{provider.id}/{model}" for model in provider.models)
        names.update(provider.models)
    return frozenset(names)


def _can_match(facts: LintFacts, glob: str, names: frozenset[str]) -> bool:
    if glob in names:
        return True
    provider, slash, _ = glob.partition("/")
    open_provider = facts.config.providers.get(provider)
    if open_provider is not None and not open_provider.strict_models:
        return True
    if any(fnmatchcase(name, glob) for name in names):
        return True
    if not slash:
        # `gpt-*` may mean undeclared models of an open provider only through a wildcard up front.
        return "*" in provider[:1] and bool(facts.names("providers"))
    known = facts.config.providers
    return any(
        fnmatchcase(name, provider) and (name not in known or not known[name].strict_models)
        for name in facts.names("providers")
    )
