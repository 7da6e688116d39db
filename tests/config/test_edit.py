"""A new entry as text: everything else stays as it was."""

from __future__ import annotations

from typing import Any

import pytest

from omniroute.config.edit import edit_text
from omniroute.config.splices import EditError
from omniroute.config.yamltree import parse_yaml, to_plain

ENTRY = "  ci:\n    hash: x\n    tags: {a: b}\n"
FLOW = "  ci: {hash: x, tags: {a: b}}\n"


def insert(text: str) -> str:
    root = parse_yaml(text.encode(), "file").root
    wanted: dict[str, Any] = {} if root is None else to_plain(root)
    keys: dict[str, Any] = wanted.get("keys") or {}
    return edit_text(text, {**wanted, "keys": {**keys, "ci": {"hash": "x", "tags": {"a": "b"}}}})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("", f"keys:\n{ENTRY}", id="empty file"),
        pytest.param("version: 1\n", f"version: 1\n\nkeys:\n{ENTRY}", id="no section"),
        pytest.param("version: 1", f"version: 1\n\nkeys:\n{ENTRY}"[:-1], id="no final line end"),
        pytest.param("keys:\n", f"keys:\n{ENTRY}", id="section without value"),
        pytest.param("keys: {}  # none\n", f"keys:  # none\n{ENTRY}", id="empty braces"),
        pytest.param(
            "keys:   # all\n  # first\n  a: {}   # a\n\n# next\nserver: {port: 1}\n",
            f"keys:   # all\n  # first\n  a: {{}}   # a\n{ENTRY}\n# next\nserver: {{port: 1}}\n",
            id="comments stay with what they are about",
        ),
        pytest.param(
            "keys:\n    a:\n        hash: 1\n",
            "keys:\n    a:\n        hash: 1\n    ci:\n      hash: x\n      tags: {a: b}\n",
            id="other indentation",
        ),
        pytest.param(
            'keys:\n  a: {note: "}"}\nb: |\n  # text\n',
            f'keys:\n  a: {{note: "}}"}}\n{FLOW}b: |\n  # text\n',
            id="text that looks like YAML",
        ),
        pytest.param("keys:\n  a: 1", f"keys:\n  a: 1\n{ENTRY}"[:-1], id="last line without end"),
    ],
)
def test_insert(before: str, after: str) -> None:
    assert insert(before) == after


@pytest.mark.parametrize(
    ("text", "message"),
    [("keys: [\n", "has mistakes"), ("a: &x {b: {}}\nkeys: *x\n", "is an alias")],
)
def test_what_cannot_be_edited_is_refused(text: str, message: str) -> None:
    with pytest.raises(EditError, match=message):
        insert(text)
