"""Rules about the cache by meaning: it needs a model, and one that makes vectors."""

from __future__ import annotations

from collections.abc import Iterator

from omniroute.config.diagnostics import Diagnostic, Path, error, warning
from omniroute.config.lint.facts import LintFacts
from omniroute.config.names import ToModel, compile_names, find_name

_HERE: Path = ("cache", "semantic")


def semantic_without_model(facts: LintFacts) -> Iterator[Diagnostic]:
    settings = facts.config.cache.semantic
    if not settings.enabled or settings.embedding_model:
        return
    if facts.refused((*_HERE, "embedding_model")):
        return
    yield error(
        "OR741",
        facts.key_mark(_HERE),
        "the semantic cache is on, but names no model that compares questions",
        path=_HERE,
        hint="add `embedding_model: openai/text-embedding-3-small`, or another one of yours",
    )


def embeds_with_another_kind(facts: LintFacts) -> Iterator[Diagnostic]:
    name = facts.config.cache.semantic.embedding_model
    meaning = find_name(compile_names(facts.config), name) if name else None
    if not isinstance(meaning, ToModel):
        return
    provider = facts.config.providers[meaning.provider.id]
    declared = provider.models.get(meaning.model)
    if declared is not None and declared.kind != "embedding":
        path: Path = (*_HERE, "embedding_model")
        yield warning(
            "OR742",
            facts.value_mark(path),
            f'"{name}" is declared as a model of the kind {declared.kind}',
            path=path,
            hint="give the model `kind: embedding`, or name one that makes embeddings",
        )
