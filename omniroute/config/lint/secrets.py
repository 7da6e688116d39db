"""Rules about secrets that stand in the file."""

from __future__ import annotations

from collections.abc import Iterator

from omniroute.base.password import is_password_hash
from omniroute.config.diagnostics import Diagnostic, error, warning
from omniroute.config.lint.facts import LintFacts
from omniroute.config.masking import RECOGNISED, credentials, password_hashes
from omniroute.config.refs import has_refs
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


def not_a_password_hash(facts: LintFacts) -> Iterator[Diagnostic]:
    for path, node in password_hashes(facts.valid):
        text = str(node.value)
        if not has_refs(text) and not is_password_hash(text):
            yield error(
                "OR452",
                node.mark,
                "this is not an argon2id hash of a fair cost",
                path=path,
                hint="make one with `omniroute password hash`; never write the password itself",
            )
