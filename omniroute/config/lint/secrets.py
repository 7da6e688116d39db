"""Rules about secrets that stand in the file."""

from __future__ import annotations

from collections.abc import Iterator

from omniroute.config.diagnostics import Diagnostic, error, warning
from omniroute.config.lint.facts import LintFacts
from omniroute.config.masking import RECOGNISED, credentials
from omniroute.config.yamltree import Scalar, texts, walk


def recognised_secret(facts: LintFacts) -> Iterator[Diagnostic]:
    if not any(RECOGNISED.search(text) for text in texts(facts.declared)):
        return  # the usual case, without the cost of paths
    for path, _mark, node in walk(facts.declared):
        if isinstance(node, Scalar) and isinstance(node.value, str):
            found = RECOGNISED.search(node.value)
            if found is not None:
                yield error(
                    "OR450",
                    node.mark,
                    f"a secret stands in the file ({found[0][:4]}…): take it out and replace it",
                    path=path,
                    hint="write a reference such as ${env:NAME} or ${file:/run/secrets/name}",
                )


def literal_credential(facts: LintFacts) -> Iterator[Diagnostic]:
    for path, node, literals in credentials(facts.valid):
        if literals and not RECOGNISED.search(str(node.value)):
            yield warning(
                "OR451",
                node.mark,
                "a credential stands in the file as plain text",
                path=path,
                hint="write a reference such as ${env:NAME} or ${file:/run/secrets/name}",
            )
