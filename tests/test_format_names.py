"""A format is one table: no module of the product names one, but where it is said why."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.translation.tables import formats

ROOT: Final = Path(__file__).parents[1] / "omniroute"
EXCEPTIONS: Final = {
    "config/lint/addresses.py": "ends of base URLs that people copy from a provider's pages",
    "config/presets.py": "a hint has to name some format as its example",
    "management/provider_nodes.py": "the API's own words for formats, which older scripts send",
    "routing/cooldown.py": "a provider's own rate limit headers, read from any provider",
    "translation/values.py": "the documented default where nothing shows what a client speaks",
}
"""Modules that name a format, and why they have to."""


def _told(path: Path) -> Iterator[str]:
    """Names and texts of a module, docstrings and comments left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    words = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in words:
                yield text
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name):
                yield name
            case _:
                pass


def test_no_module_names_a_format() -> None:
    names = "|".join(re.escape(name).replace(r"\-", "[-_]") for name in formats().names())
    named = re.compile(rf"(?<![a-z])(?:{names})(?![a-z])", re.IGNORECASE)
    found = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if any(named.search(text) for text in _told(path)) or named.search(path.stem)
    }
    assert found == set(EXCEPTIONS)
