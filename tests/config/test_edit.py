"""Inserting an entry as text: everything else stays as it was."""

from __future__ import annotations

import pytest

from omniroute.config.edit import EditError, insert_entry

LINES = ("ci:", "  hash: x", "  tags: {a: b}")
ENTRY = "  ci:\n    hash: x\n    tags: {a: b}\n"


def insert(text: str) -> str:
    return insert_entry(text, "keys", "ci", LINES)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("", f"keys:\n{ENTRY}", id="empty file"),
        pytest.param("version: 1\n", f"version: 1\n\nkeys:\n{ENTRY}", id="no section"),
        pytest.param("version: 1", f"version: 1\n\nkeys:\n{ENTRY}", id="no final line end"),
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
            f'keys:\n  a: {{note: "}}"}}\n{ENTRY}b: |\n  # text\n',
            id="text that looks like YAML",
        ),
        pytest.param("keys:\n  a: 1", f"keys:\n  a: 1\n{ENTRY}", id="last line without end"),
    ],
)
def test_insert(before: str, after: str) -> None:
    assert insert(before) == after


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keys: {a: {hash: 1}}\n", "written on one line"),
        ("keys:\n  ci: {}\n", "already declared"),
        ("keys: [\n", "has mistakes"),
        ("keys: text\n", "unusual way|one line"),
    ],
)
def test_what_cannot_be_edited_is_refused(text: str, message: str) -> None:
    with pytest.raises(EditError, match=message):
        insert(text)
