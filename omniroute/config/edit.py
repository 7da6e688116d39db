"""Edits on a configuration's text that leave every other character as it was.

The text is changed, not the tree: comments, quotes and order stay. Whether an edit says what it
should is checked afterwards by reading the result, so a layout that the edit did not foresee is an
error and never a broken file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from omniroute.config.yamltree import Map, Node, Scalar, parse_yaml, to_plain
from omniroute.errors import OmnirouteError

_INDENT: Final = "  "


class EditError(OmnirouteError):
    """The text cannot be edited in place; the message says what to do by hand."""


def insert_entry(text: str, section: str, name: str, lines: tuple[str, ...]) -> str:
    """`text` with an entry `name` at the end of a section keyed by id.

    `lines` are the entry as YAML, indented as if the section stood at column 1, `name:` first.
    """
    root = _root(text)
    entry = root.entries.get(section)
    if entry is not None and isinstance(entry.value, Map) and name in entry.value.entries:
        raise EditError(f'"{name}" is already declared under `{section}`')
    if entry is None:
        base = text if text.endswith("\n") or not text else text + "\n"
        gap = "\n" if base.strip() else ""
        edited = f"{base}{gap}{section}:\n{_joined(lines, _INDENT)}"
    elif _is_empty(entry.value):
        edited = _fill_empty(text, entry.mark.line, section, lines)
    else:
        edited = _append(text, root, section, lines)
    _verify(root, edited, section=section, name=name, lines=lines)
    return edited


def _is_empty(node: Node) -> bool:
    return (isinstance(node, Scalar) and node.value is None) or (
        isinstance(node, Map) and not node.entries
    )


def _root(text: str) -> Map:
    document = parse_yaml(text.encode(), "file")
    if document.root is None or document.diagnostics:
        raise EditError("the file has mistakes; run `omniroute check` first")
    return document.root


def _joined(lines: tuple[str, ...], indent: str) -> str:
    return "".join(f"{indent}{line}\n" for line in lines)


def _fill_empty(text: str, line: int, section: str, lines: tuple[str, ...]) -> str:
    """The section has no value, or `{}`: keep its comment, put the entry below."""
    rows = text.splitlines(keepends=True)
    comment = rows[line - 1].partition("#")[2].rstrip("\r\n")
    head = f"{section}:" + (f"  #{comment}" if comment else "")
    rows[line - 1] = f"{head}\n{_joined(lines, _INDENT)}"
    return "".join(rows)


def _append(text: str, root: Map, section: str, lines: tuple[str, ...]) -> str:
    value = root.entries[section].value
    first = next(iter(value.entries.values())) if isinstance(value, Map) else None
    if first is None or first.mark.line <= root.entries[section].mark.line:
        raise EditError(f"`{section}` is written on one line; add the entry by hand")
    rows = text.splitlines(keepends=True)
    indent = " " * (first.mark.column - 1)
    start = root.entries[section].mark.line
    following = [e.mark.line for e in root.entries.values() if e.mark.line > start]
    end = min(following) - 1 if following else len(rows)
    # Blank lines, and comments further left, belong to what follows.
    while end > start and (not rows[end - 1].strip() or not rows[end - 1].startswith(indent)):
        end -= 1
    if not rows[end - 1].endswith("\n"):
        rows[end - 1] += "\n"
    rows.insert(end, _joined(lines, indent))
    return "".join(rows)


def _verify(before: Map, edited: str, *, section: str, name: str, lines: tuple[str, ...]) -> None:
    document = parse_yaml(edited.encode(), "file")
    wanted: dict[str, Any] = to_plain(before)
    added: Mapping[str, Any] = to_plain(_root("".join(f"{line}\n" for line in lines)))
    wanted[section] = {**(wanted.get(section) or {}), name: added[name]}
    if document.root is None or document.diagnostics or to_plain(document.root) != wanted:
        raise EditError(f"`{section}` is laid out in an unusual way; add the entry by hand")
