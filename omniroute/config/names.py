"""What a model name means: aliases, wildcards, combos and models in their order of precedence.

Lint and routing both ask here, so that what `check` says about a name is what a request gets.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final

from msgspec import Struct

from omniroute.config.model import Config, Mark, Provider

LATEST: Final = ":latest"
"""Ollama knows `m` and `m:latest` as one."""
MAX_HOPS: Final = 16  # an alias chain longer than this is a mistake, not a design


class Hop(Struct, frozen=True):
    """An alias that was followed: the name met, and the entry that matched it."""

    name: str
    alias: str
    mark: Mark | None


class ToCombo(Struct, frozen=True, tag=True):
    """The name stands for a combo."""

    combo: str
    via: tuple[Hop, ...] = ()


class ToModel(Struct, frozen=True, tag=True):
    """The name stands for a model at a provider; declared or not."""

    provider: Provider
    model: str
    """Without the provider."""
    via: tuple[Hop, ...] = ()


Meaning = ToCombo | ToModel


class Pattern(Struct, frozen=True, kw_only=True):
    """A wildcard alias."""

    text: str
    target: str
    regex: re.Pattern[str]

    @property
    def literal(self) -> int:
        """Characters that are no wildcard: what "longest" counts."""
        return sum(char not in "*?" for char in self.text)


class Names(Struct, frozen=True, kw_only=True):
    """The names of one configuration, ready to be looked up."""

    config: Config
    aliases: Mapping[str, str]
    """Exact ones."""
    patterns: tuple[Pattern, ...]
    """Longest first, then in the order of the file."""
    bare: Mapping[str, tuple[Provider, ...]]
    """Model id without provider, to the providers that have it; usable ones only, if any is."""


def compile_names(config: Config, unavailable: Collection[str] = ()) -> Names:
    """`unavailable` are `provider/connection`s that cannot be used although they are enabled."""
    bare: dict[str, tuple[Provider, ...]] = {}
    idle: dict[str, tuple[Provider, ...]] = {}
    for provider in config.providers.values():
        usable = any(
            connection.enabled and f"{provider.id}/{connection.id}" not in unavailable
            for connection in provider.connections.values()
        )
        into = bare if usable else idle
        for model in provider.models:
            into[model] = (*into.get(model, ()), provider)
    return Names(
        config=config,
        aliases={name: to for name, to in config.aliases.items() if not is_pattern(name)},
        patterns=tuple(
            sorted(
                (
                    Pattern(text=name, target=target, regex=pattern_regex(name))
                    for name, target in config.aliases.items()
                    if is_pattern(name)
                ),
                key=lambda pattern: -pattern.literal,
            )
        ),
        bare={**idle, **bare},
    )


def find_name(names: Names, name: str) -> Meaning | None:
    """What a name means, None when nothing.

    In this order: exact alias, combo, declared `provider/model`, the longest wildcard alias, a bare
    model that one provider has, the same without the tag `:latest`, which clients of Ollama add to
    a name without one, `provider/anything`. A wildcard without a slash speaks of bare names only,
    so `*` cannot take `openai/gpt-5` away.
    """
    config = names.config
    via: tuple[Hop, ...] = ()
    for _ in range(MAX_HOPS):
        exact = names.aliases.get(name)
        if exact is not None:
            via = (*via, Hop(name, name, config.positions.get(("aliases", name))))
            name = exact
            continue
        if name in config.combos:
            return ToCombo(name, via)
        provider, model = split_provider(config, name)
        if provider is not None and model in provider.models:
            return ToModel(provider, model, via)
        matched = _match_pattern(names, name, prefixed=provider is not None)
        if matched is not None:
            alias, target = matched
            via = (*via, Hop(name, alias, config.positions.get(("aliases", alias))))
            name = target
            continue
        owners = names.bare.get(name, ())
        if len(owners) == 1:
            return ToModel(owners[0], name, via)
        untagged = name.removesuffix(LATEST)
        if untagged != name and _is_declared(names, untagged):
            name = untagged
            continue
        if provider is not None and not provider.strict_models:
            return ToModel(provider, model, via)
        return None
    return None


def _is_declared(names: Names, name: str) -> bool:
    config = names.config
    provider, model = split_provider(config, name)
    return (
        name in names.aliases
        or name in config.combos
        or (provider is not None and model in provider.models)
        or len(names.bare.get(name, ())) == 1
    )


def split_provider(config: Config, name: str) -> tuple[Provider | None, str]:
    """`provider/model` to both, when the prefix is a provider and something follows it."""
    head, slash, rest = name.partition("/")
    provider = config.providers.get(head) if slash and rest else None
    return (provider, rest) if provider is not None else (None, name)


def is_pattern(name: str) -> bool:
    return "*" in name or "?" in name


@lru_cache(maxsize=4096)  # keys share few lists of globs; bounded across reloads
def compile_globs(globs: tuple[str, ...]) -> re.Pattern[str]:
    """Matches whole names that any of the globs covers."""
    return re.compile("|".join(pattern_regex(glob).pattern for glob in globs), re.DOTALL)


def pattern_regex(pattern: str) -> re.Pattern[str]:
    """`*` any run, `?` one character, all else literal; the first `*` is group 1."""
    parts = ("(.*)" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.compile("".join(parts), re.DOTALL)


def _match_pattern(names: Names, name: str, *, prefixed: bool) -> tuple[str, str] | None:
    """The longest wildcard alias for a name, and what it turns the name into."""
    for pattern in names.patterns:
        if prefixed and "/" not in pattern.text:
            continue
        match = pattern.regex.fullmatch(name)
        if match is not None:
            star = match[1] if match.re.groups else ""
            return pattern.text, pattern.target.replace("*", star)
    return None
