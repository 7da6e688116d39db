"""Rules about names: what aliases and combos point at, and what hides what."""

from __future__ import annotations

from collections.abc import Iterator

from omniroute.config.diagnostics import Diagnostic, Path, error, warning
from omniroute.config.lint.facts import LintFacts
from omniroute.config.model import Provider
from omniroute.config.names import (
    Names,
    Pattern,
    ToCombo,
    ToModel,
    compile_names,
    find_name,
    is_pattern,
    split_provider,
)
from omniroute.config.schema import did_you_mean


def unknown_target(facts: LintFacts) -> Iterator[Diagnostic]:
    if not facts.complete:
        return
    names = compile_names(facts.config)
    for owner, target, path in _pointers(facts):
        if find_name(names, target) is not None or _is_declared(facts, target):
            continue
        if len(names.bare.get(target, ())) > 1 or _loops(facts, target):
            continue
        head, slash, rest = target.partition("/")
        provider = facts.config.providers.get(head) if slash else None
        hint = None
        if provider is not None:
            message = f'provider "{head}" declares no model "{rest}", and takes only declared ones'
            close = did_you_mean(rest, provider.models)
            hint = f'did you mean "{head}/{close}"?' if close else None
        elif slash and head not in names.bare:
            message = f'{owner} names unknown provider "{head}"'
            near = did_you_mean(head, facts.names("providers"))
            hint = f'did you mean "{near}/{rest}"?' if near else None
        else:
            message = f'{owner} names unknown target "{target}"'
        if hint is None:
            close = did_you_mean(target, _every_name(facts))
            hint = f'did you mean "{close}"?' if close else "a target is a model, alias or combo"
        yield error("OR601", facts.value_mark(path), message, path=path, hint=hint)


def ambiguous_target(facts: LintFacts) -> Iterator[Diagnostic]:
    names = compile_names(facts.config)
    for owner, target, path in _pointers(facts):
        owners = names.bare.get(target, ())
        if len(owners) > 1 and find_name(names, target) is None:
            choices = ", ".join(f"{provider.id}/{target}" for provider in owners)
            yield error(
                "OR602",
                facts.value_mark(path),
                f'{owner} names "{target}", which several providers have',
                path=path,
                hint=f"write one of {choices}",
            )


def loop(facts: LintFacts) -> Iterator[Diagnostic]:
    """Each loop once, at the entry that closes it as the file is read from the top."""
    edges = _edges(facts)
    done: set[str] = set()
    for start in edges:
        yield from _loops_from(facts, edges, start, [], done)


def _loops_from(
    facts: LintFacts,
    edges: dict[str, list[tuple[str, Path]]],
    name: str,
    trail: list[str],
    done: set[str],
) -> Iterator[Diagnostic]:
    if name in done:
        return
    trail.append(name)
    for target, path in edges.get(name, ()):
        if target in trail:
            words = " → ".join((*trail[trail.index(target) :], target))
            yield error(
                "OR603",
                facts.value_mark(path),
                f"this closes a loop: {words}",
                path=path,
                hint="a request would go round for ever; remove one of these targets",
            )
        elif len(trail) < 200:
            yield from _loops_from(facts, edges, target, trail, done)
    trail.pop()
    done.add(name)


def wildcard_conflict(facts: LintFacts) -> Iterator[Diagnostic]:
    patterns = compile_names(facts.config).patterns
    for at, second in enumerate(patterns):
        for first in patterns[:at]:
            same = first.literal == second.literal and first.target != second.target
            if same and _overlap(first, second):
                path: Path = ("aliases", second.text)
                yield warning(
                    "OR604",
                    facts.key_mark(path),
                    f'"{second.text}" and "{first.text}" are equally long and match the same names',
                    path=path,
                    hint=f'the earlier one, "{first.text}", wins; make one of them more exact',
                )


def alias_hides(facts: LintFacts) -> Iterator[Diagnostic]:
    config = facts.config
    for name, target in config.aliases.items():
        path: Path = ("aliases", name)
        if is_pattern(name):
            continue
        if name in config.combos:
            hidden = f'the combo "{name}"'
        else:
            provider, model = split_provider(config, name)
            if provider is None or target == name:
                continue
            declared = model in provider.models
            hidden = f'the model "{name}"' if declared else f'a model of provider "{provider.id}"'
        yield warning(
            "OR605",
            facts.key_mark(path),
            f"this alias hides {hidden}",
            path=path,
            hint="the alias wins; give it another name",
        )


def _pointers(facts: LintFacts) -> Iterator[tuple[str, str, Path]]:
    """(who, target, path) of everything that points at a name."""
    for name, target in facts.config.aliases.items():
        if "*" not in target:
            yield f'alias "{name}"', target, ("aliases", name)
    for combo in facts.config.combos.values():
        for at, target in enumerate(combo.targets):
            path: Path = ("combos", combo.id, "targets", at)
            if facts.has((*path, "model")):
                path = (*path, "model")
            yield f'combo "{combo.id}"', target.model, path
    for index, policy in enumerate(facts.config.policies):
        if policy.to is not None:
            yield f'policy "{policy.id}"', policy.to, ("policies", index, "to")
    for budget in facts.config.budgets.values():
        if budget.degrade_to is not None:
            yield f'budget "{budget.id}"', budget.degrade_to, ("budgets", budget.id, "degrade_to")
    model = facts.config.cache.semantic.embedding_model
    if model:
        yield "the semantic cache", model, ("cache", "semantic", "embedding_model")


def _is_declared(facts: LintFacts, name: str) -> bool:
    """Declared, but refused by an earlier check: one mistake, one finding."""
    config = facts.config
    if name in facts.names("combos") and name not in config.combos:
        return True
    if name in facts.names("aliases") and name not in config.aliases:
        return True
    head, slash, _ = name.partition("/")
    return bool(slash) and head in facts.names("providers") and head not in config.providers


def _every_name(facts: LintFacts) -> Iterator[str]:
    yield from facts.names("combos")
    yield from (name for name in facts.names("aliases") if not is_pattern(name))
    for provider in facts.config.providers.values():
        yield from (f"{provider.id}/{model}" for model in provider.models)


def _edges(facts: LintFacts) -> dict[str, list[tuple[str, Path]]]:
    """From each alias and combo to the aliases and combos that it names directly."""
    names = compile_names(facts.config)
    edges: dict[str, list[tuple[str, Path]]] = {}
    for name, target in facts.config.aliases.items():
        edges[name] = [(to, ("aliases", name)) for to in _next_names(names, target)]
    for combo in facts.config.combos.values():
        # An alias of the same name hides the combo; its loops are then not reachable.
        found = edges.setdefault(combo.id, [])
        for at, target in enumerate(combo.targets):
            path: Path = ("combos", combo.id, "targets", at)
            path = (*path, "model") if facts.has((*path, "model")) else path
            found += [(to, path) for to in _next_names(names, target.model)]
    return edges


def _next_names(names: Names, target: str) -> Iterator[str]:
    """The entry that a target leads to, None when it is a model."""
    config = names.config
    if target in config.aliases or target in config.combos:
        yield target
        return
    provider, model = split_provider(config, target)
    if provider is not None and model in provider.models:
        return
    for pattern in names.patterns:
        if provider is not None and "/" not in pattern.text:
            continue
        if pattern.regex.fullmatch(target):
            yield pattern.text
            return


def _loops(facts: LintFacts, name: str) -> bool:
    """Whether a name that means nothing does so because it goes in a circle."""
    edges = _edges(facts)
    seen: set[str] = set()
    while name in edges and name not in seen:
        seen.add(name)
        following = edges[name]
        if len(following) != 1:
            return False
        name = following[0][0]
    return name in seen


def _overlap(first: Pattern, second: Pattern) -> bool:
    """Whether some name matches both patterns."""
    return _meet(first.text, second.text, {})


def _meet(one: str, two: str, known: dict[tuple[str, str], bool]) -> bool:
    if not one or not two:
        return not (one + two).strip("*")
    key = (one, two)
    if key not in known:
        known[key] = False
        if one[0] == "*":
            known[key] = _meet(one[1:], two, known) or _meet(one, two[1:], known)
        elif two[0] == "*":
            known[key] = _meet(one, two[1:], known) or _meet(one[1:], two, known)
        else:
            same = one[0] == two[0] or "?" in (one[0], two[0])
            known[key] = same and _meet(one[1:], two[1:], known)
    return known[key]


def targets_of(names: Names, combo: str, seen: frozenset[str] = frozenset()) -> Iterator[ToModel]:
    """Every model below a combo, loops and unknown names left out."""
    for target in names.config.combos[combo].targets:
        match find_name(names, target.model):
            case ToModel() as model:
                yield model
            case ToCombo(combo=inner) if inner not in seen:
                yield from targets_of(names, inner, seen | {combo, inner})
            case _:
                pass


def is_idle(provider: Provider) -> bool:
    """Whether none of its connections is enabled."""
    return not any(connection.enabled for connection in provider.connections.values())
