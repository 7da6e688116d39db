"""Values as YAML text that says the same to our reader, and to others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

from omniroute.config.yamltree import parse_yaml, to_plain

WIDTH: Final = 100
"""What is longer is not put on one line."""
_PLAIN: Final = re.compile(r"[\w./](?:[\w./:@+()=-]| (?=[\w(]))*", re.ASCII)
"""Looks as people write it without quotes; whether it is read as that text is tried."""
_OTHERS_BEND: Final = re.compile(
    r"y|n|yes|no|on|off|0o[0-7_]+|\d[\d_]*(?::[0-5]?\d)+(?:\.\d*)?"
    r"|[\d._]+(?:e[-+]?\d+)?|0[xb][\da-f_]+|\.(?:inf|nan)",
    re.IGNORECASE,
)
"""Text for us that other readers take for a truth value or a number."""
_ESCAPED: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def write_flow(value: object) -> str:
    """A value on one line, as it may stand anywhere."""
    match value:
        case dict():
            entries = cast("dict[str, object]", value).items()
            inner = [f"{write_text(name)}: {write_flow(one)}" for name, one in entries]
            return f"{{{', '.join(inner)}}}"
        case list():
            items = cast("Sequence[object]", value)
            return f"[{', '.join(write_flow(item) for item in items)}]"
        case str():
            return write_text(value)
        case _:
            return json.dumps(value)


def write_text(text: str, *, quote: str = "") -> str:
    """A text, without quotes where nobody doubts what it is; `quote` is one to keep."""
    if not quote and _PLAIN.fullmatch(text) and not _OTHERS_BEND.fullmatch(text):
        document = parse_yaml(f"a: {text}\nb: [{text}]\n".encode(), "")
        if document.root is not None and to_plain(document.root) == {"a": text, "b": [text]}:
            return text
    if quote == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    quoted = json.dumps(text, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def write_entry(
    name: str, value: object, indent: str, *, levels: int = 0, flow: bool = False
) -> list[str]:
    """`name: value` in as many lines as it takes, each with `indent` before it.

    Maps of the first `levels` have a line for each entry. Else what fits is put on one line when it
    holds no lists and maps of its own, or whatever it holds with `flow`.
    """
    head = f"{indent}{write_text(name)}:"
    if isinstance(value, str) and is_literal(value):
        return [f"{head} {literal_head(value)}", *literal_lines(value, indent + "  ")]
    if _in_one_line(value, len(head), levels=levels, flow=flow):
        return [f"{head} {write_flow(value)}"]
    return [head, *write_block(value, indent + "  ", levels=levels - 1)]


def write_item(value: object, indent: str, *, levels: int = 0, flow: bool = False) -> list[str]:
    """`- value`, a map with its first key beside the dash; else as `write_entry`."""
    if _in_one_line(value, len(indent), levels=levels, flow=flow):
        return [f"{indent}- {write_flow(value)}"]
    first, *rest = write_block(value, indent + "  ", levels=levels - 1)
    return [f"{indent}- {first.removeprefix(indent + '  ')}", *rest]


def write_block(value: object, indent: str, *, levels: int = 0) -> list[str]:
    """A map's entries or a list's items as lines; see `write_entry`."""
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, object]", value)
        return [
            line
            for name, one in entries.items()
            for line in write_entry(name, one, indent, levels=levels)
        ]
    return [line for item in cast("Sequence[object]", value) for line in write_item(item, indent)]


def _in_one_line(value: object, lead: int, *, levels: int, flow: bool) -> bool:
    if not _has_parts(value):
        return True
    if levels > 0 and isinstance(value, Mapping):
        return False
    parts = cast("Iterable[object]", value.values() if isinstance(value, Mapping) else value)
    if not flow and any(_has_parts(part) for part in parts):
        return False
    return lead + 1 + len(write_flow(cast("object", value))) <= WIDTH


def _has_parts(value: object) -> bool:
    return isinstance(value, Mapping | list) and bool(cast("Sequence[object]", value))


def is_literal(text: str) -> bool:
    """Whether a text of several lines may stand as it is, below `|`."""
    lines = text.removesuffix("\n").split("\n")
    return (
        len(lines) > 1
        and lines[0][:1] not in ("", " ")
        and bool(lines[-1])
        and all(line.isprintable() and line == line.rstrip() for line in lines)
        and not _ESCAPED.search(text)
    )


def literal_head(text: str) -> str:
    return "|" if text.endswith("\n") else "|-"


def literal_lines(text: str, indent: str) -> list[str]:
    lines = text.removesuffix("\n").split("\n")
    return [indent + line if line else "" for line in lines]
