"""The diagnostic: one finding with a stable code and an exact position."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from omniroute.config.model import Mark

Severity = Literal["error", "warning"]
Path = tuple[str | int, ...]


class Related(Struct, frozen=True):
    """A second place that a diagnostic speaks of, such as the first of two equal keys."""

    mark: Mark
    message: str


class Diagnostic(Struct, frozen=True, kw_only=True):
    """One finding. `line` and `column` are 1-based and count characters; `path` is for people."""

    code: str
    severity: Severity
    file: str
    line: int
    column: int
    path: str = ""
    message: str
    hint: str | None = None
    related: tuple[Related, ...] = ()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column} {self.code} {self.message}"


def error(
    code: str,
    mark: Mark,
    message: str,
    *,
    path: Path = (),
    hint: str | None = None,
    related: Sequence[Related] = (),
) -> Diagnostic:
    """A finding that keeps the configuration from being used."""
    return _diagnostic("error", code, mark, message, path=path, hint=hint, related=related)


def warning(
    code: str,
    mark: Mark,
    message: str,
    *,
    path: Path = (),
    hint: str | None = None,
    related: Sequence[Related] = (),
) -> Diagnostic:
    """A finding that people should look at; `--strict` fails on it."""
    return _diagnostic("warning", code, mark, message, path=path, hint=hint, related=related)


def _diagnostic(
    severity: Severity,
    code: str,
    mark: Mark,
    message: str,
    *,
    path: Path,
    hint: str | None,
    related: Sequence[Related],
) -> Diagnostic:
    return Diagnostic(
        code=code,
        severity=severity,
        file=mark.file,
        line=mark.line,
        column=mark.column,
        path=render_path(path),
        message=message,
        hint=hint,
        related=tuple(related),
    )


def render_path(path: Path) -> str:
    """`("policies", 2, "when")` as `policies[2].when`; names with dots or slashes are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.replace("-", "").replace("_", "").isalnum():
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


def sort_diagnostics(
    found: Iterable[Diagnostic], files: Iterable[str] = ()
) -> tuple[Diagnostic, ...]:
    """In reading order, `files` first in their order, then others as they appear; no repeats."""
    unique = list(dict.fromkeys(found))
    order: dict[str, int] = {}
    for file in (*files, *(item.file for item in unique)):
        order.setdefault(file, len(order))
    return tuple(sorted(unique, key=lambda d: (order[d.file], d.line, d.column, d.code, d.message)))


def has_errors(found: Iterable[Diagnostic]) -> bool:
    return any(item.severity == "error" for item in found)
