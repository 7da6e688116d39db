"""Rules about secrets that stand in the file, and the list of them that output must mask."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from omniroute.base.secret import Secret
from omniroute.config.diagnostics import Diagnostic, Path, error, warning
from omniroute.config.lint.facts import LintFacts
from omniroute.config.refs import EnvRef, RefSyntaxError, has_refs, parse_refs
from omniroute.config.yamltree import Map, Scalar, texts, walk

# Beginnings that vendors give to their credentials; long enough tails not to hit ordinary words.
_RECOGNISED: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{30,}|gsk_[A-Za-z0-9]{20,}"
    r"|xai-[A-Za-z0-9]{20,}|hf_[A-Za-z0-9]{20,}|r8_[A-Za-z0-9]{20,}|AKIA[A-Z0-9]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}"
    r"|omr_[A-Za-z0-9_-]{20,}|pplx-[A-Za-z0-9]{20,}|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,})"
)
_SECRET_HEADERS: Final = frozenset(
    {"authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization"}
)
_MIN_MASKED: Final = 8  # shorter ones are dummies such as "ollama"; masking them blurs the output


def recognised_secret(facts: LintFacts) -> Iterator[Diagnostic]:
    if not any(_RECOGNISED.search(text) for text in texts(facts.declared)):
        return  # the usual case, without the cost of paths
    for path, _mark, node in walk(facts.declared):
        if isinstance(node, Scalar) and isinstance(node.value, str):
            found = _RECOGNISED.search(node.value)
            if found is not None:
                yield error(
                    "OR450",
                    node.mark,
                    f"a secret stands in the file ({found[0][:4]}…): take it out and replace it",
                    path=path,
                    hint="write a reference such as ${env:NAME} or ${file:/run/secrets/name}",
                )


def literal_credential(facts: LintFacts) -> Iterator[Diagnostic]:
    for path, node in _credentials(facts.valid):
        text = str(node.value)
        if _literal_part(path, text) and not _RECOGNISED.search(text):
            yield warning(
                "OR451",
                node.mark,
                "a credential stands in the file as plain text",
                path=path,
                hint="write a reference such as ${env:NAME} or ${file:/run/secrets/name}",
            )


def literal_secrets(root: Map) -> tuple[Secret, ...]:
    """Secrets that stand in the files, longest first, for masking shown text."""
    found: set[str] = set()
    for path, node in _credentials(root):
        found.update(_literal_part(path, str(node.value)))
    for text in texts(root):
        found.update(match[0] for match in _RECOGNISED.finditer(text))
    long_enough = (text for text in found if len(text) >= _MIN_MASKED)
    return tuple(Secret(text) for text in sorted(long_enough, key=len, reverse=True))


def mask_recognised(text: str) -> str:
    """Text with everything that looks like a vendor's credential cut after four characters."""
    return _RECOGNISED.sub(lambda match: match[0][:4] + "…", text)


def _credentials(root: Map) -> Iterator[tuple[Path, Scalar]]:
    """Scalars in the fields that are meant for credentials."""
    for section in ("providers", "settings"):
        start = root.get(section)
        for path, _mark, node in walk(start, (section,)) if start is not None else ():
            if not isinstance(node, Scalar) or not isinstance(node.value, str) or len(path) < 2:
                continue
            name, parent = str(path[-1]), path[-2]
            in_header = parent == "headers" and name.lower() in _SECRET_HEADERS
            if in_header or name in ("api_key", "proxy"):
                yield path, node


def _literal_part(path: Path, text: str) -> tuple[str, ...]:
    """What of a credential field is spelled out: nothing for a reference, of a URL its password."""
    if path[-1] == "proxy":
        password = _password(text)
        return (password,) if password and not has_refs(password) else ()
    try:
        parts = parse_refs(text)
    except RefSyntaxError:
        return ()
    if all(isinstance(part, str) for part in parts):
        return (text,)
    return tuple(part.default for part in parts if isinstance(part, EnvRef) and part.default)


def _password(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return None
