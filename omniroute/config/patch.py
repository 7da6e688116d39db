"""Changes of one section of a configuration's text; every other line stays as it was.

The section's own lines go through a YAML library that keeps comments, quotes and order. As with
`edit`, the result is read again and compared with what was wanted, so a layout that cannot be
changed in place is an error and never a broken file.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any, Final, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from omniroute.config.edit import EditError
from omniroute.config.yamltree import Map, parse_yaml, to_plain

Values = Mapping[str, Any]
"""Nested maps of scalars; None takes a key away."""

_WIDE: Final = 4096  # no line is wrapped that was not


def patch_section(text: str, section: str, values: Values) -> str:
    """`text` with `values` merged into a top-level section, which is added when it is missing.

    It is the same text when it has those values already. Raises EditError when that cannot be done
    in place.
    """
    root = _root(text)
    wanted: dict[str, Any] = to_plain(root)
    before: Any = wanted.get(section)
    wanted[section] = _merged(_map(before), values)
    if wanted[section] == _map(before):
        return text
    rows = text.splitlines(keepends=True)
    start, end = _lines_of(root, rows, section)
    rendered = _patched("".join(rows[start:end]), section, values)
    if start == end:
        lead = "" if not text or text.endswith("\n") else "\n"
        rendered = f"{lead}\n{rendered}" if text.strip() else rendered
    elif not rows[end - 1].endswith("\n") and end == len(rows):
        rendered = rendered.rstrip("\n")
    edited = "".join([*rows[:start], rendered, *rows[end:]])
    document = parse_yaml(edited.encode(), "file")
    if document.root is None or document.diagnostics or to_plain(document.root) != wanted:
        raise EditError(f"`{section}` is laid out in an unusual way; change it by hand")
    return edited


def _root(text: str) -> Map:
    document = parse_yaml(text.encode(), "file")
    if document.root is None or document.diagnostics:
        raise EditError("the file has mistakes; run `omniroute check` first")
    return document.root


def _lines_of(root: Map, rows: list[str], section: str) -> tuple[int, int]:
    """Where the section's lines begin and end; twice the end of the file when it has none."""
    entry = root.entries.get(section)
    if entry is None:
        return len(rows), len(rows)
    start = entry.mark.line - 1
    later = [one.mark.line - 1 for one in root.entries.values() if one.mark.line - 1 > start]
    end = min(later, default=len(rows))
    # Blank lines, and comments at the margin, belong to what follows.
    while end > start + 1 and (not rows[end - 1].strip() or rows[end - 1].startswith("#")):
        end -= 1
    return start, end


def _patched(text: str, section: str, values: Values) -> str:
    yaml: Any = YAML()  # its types are incomplete
    yaml.preserve_quotes = True
    yaml.width = _WIDE
    yaml.indent(mapping=_indent(text), sequence=4, offset=2)
    try:
        document: Any = yaml.load(text) if text else {}
        if not isinstance(document.get(section), dict):
            document[section] = {}
        _merge_into(document[section], values)
        out = StringIO()
        yaml.dump(document, out)
    except YAMLError:
        raise EditError(f"`{section}` is laid out in an unusual way; change it by hand") from None
    return out.getvalue().replace("\n", "\r\n") if "\r\n" in text else out.getvalue()


def _indent(text: str) -> int:
    """How far the section's first key stands in; 2 when it is on the section's own line."""
    for row in text.splitlines()[1:]:
        bare = row.lstrip(" ")
        if bare and not bare.startswith("#"):
            return max(2, len(row) - len(bare))
    return 2


def _merge_into(target: Any, values: Values) -> None:
    """The library's own maps are changed in place: they hold the comments."""
    for name, value in values.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, Mapping):
            if not isinstance(target.get(name), dict):
                target[name] = {}
            _merge_into(target[name], cast("Values", value))
        else:
            target[name] = value


def _merged(before: Values, values: Values) -> dict[str, Any]:
    found: dict[str, Any] = dict(before)
    for name, value in values.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, Mapping):
            found[name] = _merged(_map(found.get(name)), cast("Values", value))
        else:
            found[name] = value
    return found


def _map(value: object) -> Values:
    return cast("Values", value) if isinstance(value, dict) else {}
