"""A table's text to its checked sections, or to diagnostics with positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from msgspec import Struct

from omniroute.base.similar import similar_names
from omniroute.config.diagnostics import Diagnostic, error, sort_diagnostics
from omniroute.config.model import Mark
from omniroute.config.yamltree import Map, key_mark, parse_yaml, to_plain, value_mark
from omniroute.translation.kinds import TASKS
from omniroute.translation.problem import Problem
from omniroute.wire.framing import FRAMINGS

SECTIONS: Final = frozenset(
    {
        *("format", "title", "docs", "paths", "query", "headers", "forwards", "auth", "framing"),
        *("maps", "mappings", "fields", "facts", "set", "known", "unsupported", "forgets"),
        *("request", "response", "errors", "stream", "passthrough", "continuing"),
        *("count", "listing", "client"),
        *TASKS,
    }
)
NEEDED: Final = ("format", "errors")
CHATS: Final = ("paths", "framing", "request", "response", "stream")
"""The sections of a format that chats: all of them, or none where it has other models alone."""
_TASK: Final[Mapping[str, frozenset[str]]] = {
    "": frozenset(
        {
            *("paths", "batch", "fields", "facts", "known", "set"),
            *("request", "response", "stream", "raw", "sends", "then"),
        }
    ),
    ".batch": frozenset({"member", "most", "times"}),
    ".facts": frozenset({"model", "session", "stream", "units"}),
    ".request": frozenset({"decode", "encode"}),
    ".response": frozenset({"decode", "encode"}),
    ".stream": frozenset({"decode"}),
    ".then": frozenset({"create", "poll"}),
    ".then.create": frozenset({"path", "encode"}),
    ".then.poll": frozenset({"path", "until"}),
}
"""The same, of a section for one kind of task."""
INNER: Final[Mapping[str, frozenset[str]]] = {
    "paths": frozenset({"chat", "stream"}),
    "auth": frozenset({"header", "template"}),
    "facts": frozenset(
        {
            *("model", "stream", "session", "max_output_tokens"),
            *("tools", "images", "temperature", "calls"),
        }
    ),
    "request": frozenset({"decode", "encode"}),
    "response": frozenset({"decode", "encode"}),
    "errors": frozenset({"decode", "encode", "kinds", "messages", "statuses"}),
    "stream": frozenset({"start", "decode", "terminal", "encode"}),
    "stream.terminal": frozenset({"data", "stop"}),
    "stream.encode": frozenset(
        {"order", "start", "open", "delta", "close", "finish", "error", "ping"}
    ),
    "passthrough": frozenset({"ask", "fit", "extra", "unsealed", "returns", "errors"}),
    "count": frozenset({"path", "encode", "decode"}),
    "listing": frozenset({"path", "decode"}),
    "client": frozenset(
        {
            *("serves", "errors_at", "told_by", "key", "vary", "loads_without", "unknown_model"),
            *("compact", "count", "details", "answers", "progress", "bounds", "socket"),
        }
    ),
    "client.key": frozenset({"header", "query"}),
    "client.bounds": frozenset({"messages", "tools", "names"}),
    "client.compact": frozenset({"of"}),
    "client.count": frozenset({"of"}),
    "client.details": frozenset({"of"}),
    "client.answers": frozenset(
        {"model", "models", "details", "count", "compacted", "loaded", "forgotten", "about"}
    ),
    "client.socket": frozenset({"asks", "prepares", "lane", "error"}),
    "client.progress": frozenset({"named", "members"}),
    "passthrough.extra": frozenset({"unless", "frame", "fields"}),
    "continuing": frozenset({"field", "note", "input", "items", "output", "keep", "whole"}),
    **{f"{kind}{end}": keys for kind in TASKS for end, keys in _TASK.items()},
}
"""The keys of the sections whose shape is fixed."""
_NEEDED_INNER: Final[Mapping[str, tuple[str, ...]]] = {
    "auth": ("header", "template"),
    "passthrough.extra": ("unless",),
    "continuing": ("field", "note", "input", "items", "output", "keep", "whole"),
    "count": ("path",),
    "listing": ("path",),
    "client.socket": ("asks", "prepares"),
}
_LISTS: Final = (
    *(("known",), ("forwards",), ("forgets",), ("passthrough", "extra", "fields")),
    ("passthrough", "returns"),
    *(("client", "vary"), ("client", "errors_at")),
    *((kind, "known") for kind in TASKS),
    *(("client", "bounds", name) for name in ("messages", "tools", "names")),
)
_MAPS: Final = (
    *(("maps",), ("mappings",), ("fields",), ("set",), ("unsupported",)),
    *(("client", "serves"), ("client", "progress", "members")),
    *((kind, key) for kind in TASKS for key in ("paths", "fields", "set")),
)
TEXT_MAPS: Final = ("headers", "query")


class Table(Struct, frozen=True, kw_only=True):
    """A table as it was written: sections as plain values, and its text."""

    name: str
    file: str
    sections: Mapping[str, Any]
    text: str

    def section(self, *path: str) -> Any:
        value: Any = self.sections
        for key in path:
            value = cast(dict[str, Any], value).get(key) if isinstance(value, dict) else None
        return value

    def mapping(self, *path: str) -> dict[str, Any]:
        value = self.section(*path)
        return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def read_table(file: str, text: str) -> tuple[Table | None, tuple[Diagnostic, ...]]:
    """Parse and check the shape; expressions are checked when the table is compiled."""
    document = parse_yaml(text.encode(), file)
    if document.root is None or document.diagnostics:
        return None, document.diagnostics
    sections = cast(dict[str, Any], to_plain(document.root))
    name = sections.get("format")
    table = Table(
        name=name if isinstance(name, str) else file,
        file=file,
        sections=sections,
        text=text,
    )
    problems = _shape_problems(table)
    return (None if problems else table), describe(table, problems)


def describe(table: Table, problems: list[Problem]) -> tuple[Diagnostic, ...]:
    """Problems with their positions in the table's file, in reading order."""
    if not problems:
        return ()
    tree = parse_yaml(table.text.encode(), table.file).root or Map({}, Mark(table.file, 1, 1))
    lines = table.text.splitlines()
    return sort_diagnostics(
        error(
            "OR181",
            _mark(tree, lines, problem),
            problem.message,
            path=problem.path,
            hint=problem.hint,
        )
        for problem in problems
    )


def _mark(tree: Map, lines: list[str], problem: Problem) -> Mark:
    if problem.offset is None:
        return key_mark(tree, problem.path)
    mark = value_mark(tree, problem.path)
    line = lines[mark.line - 1] if mark.line <= len(lines) else ""
    quoted = line[mark.column - 1 : mark.column] in ('"', "'")
    return Mark(mark.file, mark.line, mark.column + problem.offset + quoted)


def _shape_problems(table: Table) -> list[Problem]:
    chats = any(key in table.sections for key in CHATS)
    problems = [_unknown((key,), key, SECTIONS) for key in table.sections if key not in SECTIONS]
    problems += [
        Problem(path=(), message=f"a table needs the section {key}")
        for key in (*NEEDED, *(CHATS if chats else ()))
        if key not in table.sections
    ]
    if not chats and not any(kind in table.sections for kind in TASKS):
        message = f"a table needs the sections of a chat ({', '.join(CHATS)}), or another kind's"
        problems.append(Problem(path=(), message=message))
    for dotted, allowed in INNER.items():
        path = tuple(dotted.split("."))
        value = table.section(*path)
        if value is None:
            continue
        if not isinstance(value, dict):
            problems.append(Problem(path=path, message=f"{dotted} is a map"))
            continue
        members = cast(dict[str, Any], value)
        problems += [_unknown((*path, key), key, allowed) for key in members if key not in allowed]
        problems += [
            Problem(path=path, message=f"{dotted} needs {key}")
            for key in _NEEDED_INNER.get(dotted, ())
            if not isinstance(members.get(key), str)
        ]
    for path in _LISTS:
        value = table.section(*path)
        words = cast(list[Any], value) if isinstance(value, list) else [None]
        if value is not None and not all(isinstance(word, str) for word in words):
            problems.append(Problem(path=path, message=f"{path[-1]} is a list of names"))
    framing = table.sections.get("framing", "sse")
    if not isinstance(framing, str) or framing not in FRAMINGS:
        names = ", ".join(FRAMINGS)
        problems.append(Problem(path=("framing",), message=f"framing is one of {names}"))
    if not isinstance(table.sections.get("format"), str):
        problems.append(Problem(path=("format",), message="format is the table's name"))
    if not isinstance(table.section("paths", "chat"), str) and "paths" in table.sections:
        problems.append(Problem(path=("paths",), message="paths.chat is the path of a request"))
    for path in (*_MAPS, *((section,) for section in TEXT_MAPS)):
        value = table.section(*path)
        if value is not None and not isinstance(value, dict):
            problems.append(Problem(path=path, message=f"{path[-1]} is a map"))
    for name, values in table.mapping("maps").items():
        if not isinstance(values, dict):
            problems.append(Problem(path=("maps", name), message="a map of names to values"))
            continue
        problems += [
            Problem(path=("maps", name, key), message="a map holds words and numbers")
            for key, value in cast(dict[str, Any], values).items()
            if not isinstance(value, str | int | float)
        ]
    return problems


def _unknown(path: tuple[str, ...], key: str, known: frozenset[str]) -> Problem:
    close = similar_names(key, known)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(known))}"
    return Problem(path=path, message=f"unknown key {key}", hint=hint)
