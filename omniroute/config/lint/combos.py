"""Rules about combos: targets that can't answer, can't be reached, or answer less well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from omniroute.config.diagnostics import Diagnostic, Path, error, warning
from omniroute.config.lint.expressions import naming_no_field, not_compiling
from omniroute.config.lint.facts import LintFacts
from omniroute.config.lint.routing import is_idle, targets_of
from omniroute.config.model import Combo, Model, Target
from omniroute.config.names import Names, ToCombo, ToModel, compile_names, find_name

_ORDERED: Final = frozenset({"priority", "fill-first", "lkgp", "context-relay"})
"""Strategies under which the first target is the one that is meant, the others stand in for it."""
_JUDGED: Final = ("tools", "vision", "json_schema", "reasoning")


def dead_end(facts: LintFacts) -> Iterator[Diagnostic]:
    names = compile_names(facts.config)
    for combo in facts.config.combos.values():
        models = list(targets_of(names, combo.id))
        if models and all(is_idle(model.provider) for model in models):
            path: Path = ("combos", combo.id)
            yield error(
                "OR610",
                facts.key_mark(path),
                f'every target of "{combo.id}" is at a provider without an enabled connection',
                path=path,
                hint="enable a connection, or add a target",
            )


def dead_target(facts: LintFacts) -> Iterator[Diagnostic]:
    names = compile_names(facts.config)
    for combo in facts.config.combos.values():
        models = list(targets_of(names, combo.id))
        if all(is_idle(model.provider) for model in models):
            continue
        for target, path in _targets(facts, combo):
            meaning = find_name(names, target.model)
            if isinstance(meaning, ToModel) and is_idle(meaning.provider):
                yield warning(
                    "OR611",
                    facts.value_mark(path),
                    f'"{target.model}" is never tried: "{meaning.provider.id}" has no enabled'
                    " connection",
                    path=path,
                    hint="enable one, or remove the target",
                )


def unreachable_target(facts: LintFacts) -> Iterator[Diagnostic]:
    """A target that an earlier one always stands in for."""
    names = compile_names(facts.config)
    for combo in facts.config.combos.values():
        seen: dict[str, str] = {}
        for target, path in _targets(facts, combo):
            key = _identity(names, target.model)
            if key in seen:
                yield warning(
                    "OR612",
                    facts.value_mark(path),
                    f'"{target.model}" is already tried as "{seen[key]}"',
                    path=path,
                    hint="remove one of the two; a share is set with `weight`",
                )
            elif target.when is None:
                seen[key] = target.model


def weight_zero(facts: LintFacts) -> Iterator[Diagnostic]:
    for combo in facts.config.combos.values():
        if combo.strategy != "weighted":
            continue
        for target, path in _targets(facts, combo):
            if target.weight == 0:
                yield warning(
                    "OR613",
                    facts.value_mark((*path, "weight")),
                    f'"{target.model}" gets requests only when all other targets fail',
                    path=path,
                    hint="give it a weight of 1 or more, or remove it",
                )


def condition_does_not_compile(facts: LintFacts) -> Iterator[Diagnostic]:
    return not_compiling(facts, "OR614", _conditions(facts))


def condition_names_unknown_field(facts: LintFacts) -> Iterator[Diagnostic]:
    return naming_no_field(facts, "OR615", _conditions(facts))


def weaker_fallback(facts: LintFacts) -> Iterator[Diagnostic]:
    names = compile_names(facts.config)
    for combo in facts.config.combos.values():
        rows = list(_targets(facts, combo)) if combo.strategy in _ORDERED else []
        first = _declared(names, rows[0][0].model) if rows else None
        if first is None:
            continue
        for target, path in rows[1:]:
            # With a condition the author has said for which requests it is meant.
            model = _declared(names, target.model) if target.when is None else None
            losses = _losses(first, model) if model is not None else []
            if losses:
                yield warning(
                    "OR616",
                    facts.value_mark(path),
                    f'"{target.model}" stands in for "{rows[0][0].model}", but {", ".join(losses)}',
                    path=path,
                    hint="requests that need it are not sent there; another target may serve them",
                )


def _losses(first: Model, model: Model) -> list[str]:
    losses: list[str] = []
    if first.capabilities is not None and model.capabilities is not None:
        lacking = [c for c in _JUDGED if c in first.capabilities and c not in model.capabilities]
        if lacking:
            losses.append(f"lacks {', '.join(lacking)}")
    window, other = first.context_window, model.context_window
    if window is not None and other is not None and other < window:
        losses.append(f"its context window is smaller ({other} against {window})")
    return losses


def mixed_kinds(facts: LintFacts) -> Iterator[Diagnostic]:
    names = compile_names(facts.config)
    for combo in facts.config.combos.values():
        rows = list(_targets(facts, combo))
        known = [(t, path, _declared(names, t.model)) for t, path in rows]
        kinds = [(t, path, model.kind) for t, path, model in known if model is not None]
        for target, path, kind in kinds[1:]:
            if kind != kinds[0][2]:
                yield error(
                    "OR617",
                    facts.value_mark(path),
                    f'"{target.model}" is of kind {kind}, "{kinds[0][0].model}" of {kinds[0][2]}',
                    path=path,
                    hint="one request can be served by only one of them; make two combos",
                )


def mixed_dimensions(facts: LintFacts) -> Iterator[Diagnostic]:
    names = compile_names(facts.config)
    for combo in facts.config.combos.values():
        first: tuple[str, int] | None = None
        for target, path in _targets(facts, combo):
            model = _declared(names, target.model)
            size = None if model is None else model.dimensions
            if size is None:
                continue
            first = first or (target.model, size)
            if size != first[1]:
                yield error(
                    "OR619",
                    facts.value_mark(path),
                    f'vectors of "{target.model}" have {size} numbers, of "{first[0]}" {first[1]}',
                    path=path,
                    hint="let all targets be the same model, at different providers",
                )


def fallback_comes_too_late(facts: LintFacts) -> Iterator[Diagnostic]:
    """The waits for the first targets alone use up the whole request's time."""
    names = compile_names(facts.config)
    whole_s = facts.config.server.request_timeout_s
    for combo in facts.config.combos.values():
        waits_s: list[float] = []
        for target, path in _targets(facts, combo):
            before_s = sum(waits_s)
            if waits_s and before_s >= whole_s and len(waits_s) < combo.max_attempts:
                yield warning(
                    "OR618",
                    facts.value_mark(path),
                    f'"{target.model}" may come too late: waiting for those before it may take'
                    f" {before_s:g} s, a whole request only {whole_s:g} s",
                    path=path,
                    hint="shorten `timeout.first_byte` of their providers",
                )
                break
            meaning = find_name(names, target.model)
            if isinstance(meaning, ToModel):
                timeout = meaning.provider.timeout
                waits_s.append(timeout.connect_s + timeout.first_byte_s)


def _targets(facts: LintFacts, combo: Combo) -> Iterator[tuple[Target, Path]]:
    for at, target in enumerate(combo.targets):
        yield target, ("combos", combo.id, "targets", at)


def _conditions(facts: LintFacts) -> Iterator[tuple[str, Path]]:
    for combo in facts.config.combos.values():
        for target, path in _targets(facts, combo):
            if target.when is not None:
                yield target.when, (*path, "when")


def _identity(names: Names, target: str) -> str:
    match find_name(names, target):
        case ToModel(provider=provider, model=model):
            return f"{provider.id}/{model}"
        case ToCombo(combo=combo):
            return combo
        case None:
            return target


def _declared(names: Names, target: str) -> Model | None:
    match find_name(names, target):
        case ToModel(provider=provider, model=model):
            return provider.models.get(model)
        case _:
            return None
