"""The names of one snapshot, compiled: every model, alias and combo, ready to be looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct, structs

from omniroute.config.model import Combo, Config, Connection, Mark, Model, Provider, Resilience
from omniroute.config.model import Target as DeclaredTarget
from omniroute.config.names import Names, ToCombo, ToModel, compile_names, find_name
from omniroute.errors import ConfigError, ExpressionError
from omniroute.expr.compile import compile_expression
from omniroute.routing.values import Branch, Candidate, Child, Leaf, Option


class ModelIndex(Struct, frozen=True, kw_only=True):
    """Compiled once per snapshot, then never changed; every map is keyed by the public name."""

    config: Config
    names: Names
    combos: Mapping[str, Branch]
    leaves: Mapping[str, Leaf]
    """Declared models by `provider/model`."""
    unavailable: Mapping[str, str]
    """`provider/connection` to why its credential cannot be used."""

    def mark(self, *path: str | int) -> Mark | None:
        return self.config.positions.get(path)

    def candidates(self) -> Iterator[Candidate]:
        """Every candidate of every declared model, each once."""
        for leaf in self.leaves.values():
            yield from leaf.candidates


def compile_index(config: Config, unavailable: Mapping[str, str] | None = None) -> ModelIndex:
    """The names of a checked configuration.

    `unavailable` is known only once secrets are resolved: `provider/connection` to the reason.
    Raises ConfigError for what `check` reports as an error (cycles, targets that do not exist).
    """
    combos: dict[str, Branch] = {}
    leaves: dict[str, Leaf] = {}
    unavailable = unavailable or {}
    index = ModelIndex(
        config=config,
        names=compile_names(config, unavailable),
        combos=combos,
        leaves=leaves,
        unavailable=unavailable,
    )
    for provider in config.providers.values():
        for model in provider.models:
            leaf = make_leaf(index, provider, model)
            leaves[leaf.id] = leaf
    for name in config.combos:
        _compile_combo(index, combos, name, trail=())
    return index


def find_leaf(index: ModelIndex, to: ToModel) -> Leaf:
    """The leaf that a name stands for; made now when no file declares the model."""
    known = index.leaves.get(f"{to.provider.id}/{to.model}")
    return known or make_leaf(index, to.provider, to.model)


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
        meaning = find_name(index.names, target.model)
        if meaning is None:
            raise ConfigError(f'combo "{name}" names unknown target "{target.model}"')
        mark = index.mark("combos", name, "targets", at)
        node: Leaf | Branch
        if isinstance(meaning, ToCombo):
            node = _compile_combo(index, done, meaning.combo, trail=(*trail, name))
        else:
            node = _in_combo(find_leaf(index, meaning), combo, mark)
        children.append(_child(node, target, at, mark))
    done[name] = Branch(combo=combo, children=tuple(children), mark=index.mark("combos", name))
    return done[name]


def _overlaid(base: Resilience, combo: Combo) -> Resilience:
    """`base` with the fields that the combo sets."""
    for part, field in combo.resilience_set if combo.resilience is not None else ():
        value = getattr(getattr(combo.resilience, part), field)
        base = structs.replace(
            base, **{part: structs.replace(getattr(base, part), **{field: value})}
        )
    return base


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
    declared = provider.models.get(model) or provider.unlisted.get(model)
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
            resilience=_overlaid(candidate.resilience, combo),
        )
        for candidate in leaf.candidates
    )
    return structs.replace(leaf, candidates=candidates)
