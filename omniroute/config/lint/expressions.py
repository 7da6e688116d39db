"""What may be wrong with an expression over a request, wherever it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from omniroute.config.context import CONTEXT_FIELDS, unknown_fields
from omniroute.config.diagnostics import Diagnostic, Path, error
from omniroute.config.lint.facts import LintFacts
from omniroute.config.schema import did_you_mean
from omniroute.errors import ExpressionError
from omniroute.expr.compile import compile_expression
from omniroute.expr.fields import named_fields

Expressions = Iterable[tuple[str, Path]]
"""Texts, and where each stands."""


def not_compiling(facts: LintFacts, code: str, expressions: Expressions) -> Iterator[Diagnostic]:
    for text, path in expressions:
        try:
            compile_expression(text)
        except ExpressionError as bad:
            yield error(
                code,
                facts.value_mark(path),
                f"the expression does not compile: {bad}",
                path=path,
                hint="JMESPath; literal text stands in single quotes, numbers in backticks",
            )


def naming_no_field(facts: LintFacts, code: str, expressions: Expressions) -> Iterator[Diagnostic]:
    for text, path in expressions:
        try:
            compile_expression(text)
        except ExpressionError:
            continue
        for name in unknown_fields(text):
            near = did_you_mean(name, CONTEXT_FIELDS)
            yield error(
                code,
                facts.value_mark(path),
                f'no request has a field "{name}"',
                path=path,
                hint=f'did you mean "{near}"?' if near else "docs/policies.md lists the fields",
            )
        for name in named_fields(text):
            if name.startswith("request.headers.") and name != name.lower():
                yield error(
                    code,
                    facts.value_mark(path),
                    f'no header is called "{name.removeprefix("request.headers.")}" here',
                    path=path,
                    hint="header names are lower-case in expressions",
                )
