"""The names of one snapshot, compiled: every model, alias and combo, ready to be looked up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from msgspec import Struct, structs

from omniroute.config.model import Combo, Config, Connection, Mark, Model, Provider
from omniroute.config.model import Target as DeclaredTarget
from omniroute.errors import ConfigError, ExpressionError
from omniroute.expr.compile import compile_expression
from omniroute.routing.values import Branch, Candidate, Child, Hop, Leaf, Option

MAX_HOPS: Final = 16  # an alias chain longer than this is a mistake, not a design


class Pattern(Struct, frozen=True, kw_only=True):
    """A wildcard alias; `literal` is the number of characters that are no wildcard."""

    text: str
    target: str
    regex: re.Pattern[str]
    literal: int


class ModelIndex(Struct, frozen=True, kw_only=True):
    """Compiled once per snapshot, then never changed; every map is keyed by the public name."""

    config: Config
    providers: Mapping[str, Provider]
    aliases: Mapping[str, str]
    patterns: tuple[Pattern, ...]
    """Longest first."""
    combos: Mapping[str, Branch]
    leaves: Mapping[str, Leaf]
    """Declared models by `provider/model`."""
    bare: Mapping[str, tuple[str, ...]]
    """Model id without provider, to the leaves that have it."""
    unavailable: Mapping[str, str]
    """`provider/connection` to why its credential cannot be used."""

    def mark(self, *path: str | int) -> Mark | None:
        return self.config.positions.get(path)

    def candidates(self) -> Iterator[Candidate]:
        """Every candidate of every declared model, each once."""
        for leaf in self.leaves.values():
            yield from leaf.candidates


class Found(Struct, frozen=True):
    """What a name means: a combo's name or a leaf, by way of these aliases."""

    target: str | Leaf
    via: tuple[Hop, ...]


def compile_index(config: Config, unavailable: Mapping[str, str] | None = None) -> ModelIndex:
    """The names of a checked configuration.

    `unavailable` is known only once secrets are resolved: `provider/connection` to the reason.
    Raises ConfigError for what `check` reports as an error (cycles, targets that do not exist).
    """
    combos: dict[str, Branch] = {}
    leaves: dict[str, Leaf] = {}
    bare: dict[str, tuple[str, ...]] = {}
    index = ModelIndex(
        config=config,
        providers=config.providers,
        aliases={name: to for name, to in config.aliases.items() if not is_pattern(name)},
        patterns=compile_patterns(config.aliases),
        combos=combos,
        leaves=leaves,
        bare=bare,
        unavailable=unavailable or {},
    )
    for provider in config.providers.values():
        for model in provider.models:
            leaf = make_leaf(index, provider, model)
            leaves[leaf.id] = leaf
            if any(candidate.unavailable is None for candidate in leaf.candidates):
                bare[model] = (*bare.get(model, ()), leaf.id)
    for provider in config.providers.values():
        for model in provider.models:
            bare.setdefault(model, (f"{provider.id}/{model}",))
    for name in config.combos:
        _compile_combo(index, combos, name, trail=())
    return index


def _compile_combo(
    index: ModelIndex, done: dict[str, Branch], name: str, *, trail: tuple[str, ...]
) -> Branch:
    """Each combo once, however many others use it; targets first."""
    if name in trail:
        loop = " → ".join((*trail[trail.index(name) :], name))
        raise ConfigError(f"combos form a loop: {loop}")
    if name in done:
        return done[name]
    combo = index.config.combos[name]
    children: list[Child] = []
    for at, target in enumerate(combo.targets):
        found = find_name(index, target.model)
        if found is None:
            raise ConfigError(f'combo "{name}" names unknown target "{target.model}"')
        mark = index.mark("combos", name, "targets", at)
        if isinstance(found.target, str):
            node: Leaf | Branch = _compile_combo(index, done, found.target, trail=(*trail, name))
        else:
            node = _in_combo(found.target, combo, mark)
        children.append(_child(node, target, at, mark))
    done[name] = Branch(combo=combo, children=tuple(children), mark=index.mark("combos", name))
    return done[name]


def _child(node: Leaf | Branch, target: DeclaredTarget, at: int, mark: Mark | None) -> Child:
    try:
        when = compile_expression(target.when) if target.when else None
    except ExpressionError as error:
        raise ConfigError(f"{mark}: `when` does not compile: {error}") from error
    return Child(
        node=node,
        target=target.model,
        index=at,
        weight=target.weight,
        when=when,
        when_text=target.when,
        mark=mark,
        option=(
            Option(at, target.weight, node.candidates)
            if isinstance(node, Leaf) and len(node.candidates) == 1
            else None
        ),
    )


def make_leaf(index: ModelIndex, provider: Provider, model: str) -> Leaf:
    """A model at a provider; one that no file declares gets what the provider has in common."""
    declared = provider.models.get(model)
    mark = index.mark("providers", provider.id, "models", model) or index.mark(
        "providers", provider.id
    )
    return Leaf(
        id=f"{provider.id}/{model}",
        provider=provider,
        declared=declared,
        candidates=tuple(
            _candidate(index, provider, connection, declared=declared, model=model, mark=mark)
            for connection in provider.connections.values()
        ),
    )


def _candidate(
    index: ModelIndex,
    provider: Provider,
    connection: Connection,
    *,
    declared: Model | None,
    model: str,
    mark: Mark | None,
) -> Candidate:
    connection_key = f"{provider.id}/{connection.id}"
    price = declared.price if declared is not None else None
    known = declared.capabilities if declared is not None else None
    return Candidate(
        provider=provider,
        connection=connection,
        model=f"{provider.id}/{model}",
        upstream_model=(declared.upstream_id if declared is not None else None) or model,
        declared=declared,
        resilience=provider.resilience or index.config.resilience,
        key=f"{connection_key}/{model}",
        connection_key=connection_key,
        mark=mark,
        unavailable=(
            index.unavailable.get(connection_key)
            if connection.enabled
            else f"connection {connection_key} is disabled"
        ),
        kind=declared.kind if declared is not None else None,
        window=declared.context_window if declared is not None else None,
        capabilities=frozenset(known) if known is not None else None,
        input_nanousd=price.input_nanousd if price is not None else None,
        output_nanousd=price.output_nanousd if price is not None else None,
    )


def _in_combo(leaf: Leaf, combo: Combo, mark: Mark | None) -> Leaf:
    """The same leaf as one of a combo's targets: its position, and the combo's resilience."""
    candidates = tuple(
        structs.replace(
            candidate,
            combo=combo.id,
            mark=mark or candidate.mark,
            resilience=combo.resilience or candidate.resilience,
        )
        for candidate in leaf.candidates
    )
    return structs.replace(leaf, candidates=candidates)


def is_pattern(name: str) -> bool:
    return "*" in name or "?" in name


def compile_patterns(aliases: Mapping[str, str]) -> tuple[Pattern, ...]:
    """The wildcard aliases; most literal characters first, then in the order of the file."""
    found = [
        Pattern(
            text=name,
            target=target,
            regex=pattern_regex(name),
            literal=sum(char not in "*?" for char in name),
        )
        for name, target in aliases.items()
        if is_pattern(name)
    ]
    return tuple(sorted(found, key=lambda pattern: -pattern.literal))


@lru_cache(maxsize=4096)  # keys share few lists of globs; bounded across reloads
def compile_globs(globs: tuple[str, ...]) -> re.Pattern[str]:
    """Matches whole names that any of the globs covers."""
    return re.compile("|".join(pattern_regex(glob).pattern for glob in globs), re.DOTALL)


def pattern_regex(pattern: str) -> re.Pattern[str]:
    """`*` any run, `?` one character, all else literal; the first `*` is group 1."""
    parts = ("(.*)" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.compile("".join(parts), re.DOTALL)


def find_name(index: ModelIndex, name: str) -> Found | None:
    """What a name means, None when nothing.

    The order of precedence of the whole product: exact alias, combo, declared `provider/model`,
    the longest wildcard alias, a bare model that one provider has, `provider/anything`. A wildcard
    without a slash speaks of bare names only, so `*` cannot take `openai/gpt-5` away.
    """
    via: tuple[Hop, ...] = ()
    for _ in range(MAX_HOPS):
        exact = index.aliases.get(name)
        if exact is not None:
            via = (*via, Hop(name, name, index.mark("aliases", name)))
            name = exact
            continue
        if name in index.config.combos:
            return Found(name, via)
        leaf = index.leaves.get(name)
        if leaf is not None:
            return Found(leaf, via)
        provider, model = split_provider(index, name)
        matched = _match_pattern(index, name, prefixed=provider is not None)
        if matched is not None:
            pattern, target = matched
            via = (*via, Hop(name, pattern, index.mark("aliases", pattern)))
            name = target
            continue
        ids = index.bare.get(name, ())
        if len(ids) == 1:
            return Found(index.leaves[ids[0]], via)
        if provider is not None and not provider.strict_models:
            return Found(make_leaf(index, provider, model), via)
        return None
    return None


def split_provider(index: ModelIndex, name: str) -> tuple[Provider | None, str]:
    """`provider/model` to both, when the prefix is a provider and something follows it."""
    head, slash, rest = name.partition("/")
    provider = index.providers.get(head) if slash and rest else None
    return (provider, rest) if provider is not None else (None, name)


def _match_pattern(index: ModelIndex, name: str, *, prefixed: bool) -> tuple[str, str] | None:
    """The longest wildcard alias for a name, and what it turns the name into."""
    for pattern in index.patterns:
        if prefixed and "/" not in pattern.text:
            continue
        match = pattern.regex.fullmatch(name)
        if match is not None:
            star = match[1] if match.re.groups else ""
            return pattern.text, pattern.target.replace("*", star)
    return None
