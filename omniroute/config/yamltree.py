"""YAML text to nodes that know where they stand.

Built from the parser's events rather than its objects, with an explicit stack, so that every bound
is checked while reading: size, depth, and the number of nodes once aliases are expanded. Scalars
follow YAML's core schema in its plainest form: `true`/`false`, null, decimal numbers; everything
else, `no`, `on`, `012`, `12:30` and dates among it, stays text. A file with mistakes still gives
the part of its tree that could be read, so that later stages can report theirs as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml
from msgspec import Struct

from omniroute.config.diagnostics import Diagnostic, Path, Related, error
from omniroute.config.model import Mark

MAX_BYTES: Final = 16 << 20  # ten thousand keys take about three MiB
MAX_DEPTH: Final = 64  # the schema needs eight; recursion elsewhere relies on a small number
MAX_NODES: Final = 2_000_000  # counted with aliases expanded, which is what a bomb multiplies
MAX_FINDINGS: Final = 200  # per file; a binary blob should not print a million lines
_INT64: Final = 1 << 63

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL: Final = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)?(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?")
_UNPRINTABLE: Final = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_TAG: Final = "tag:yaml.org,2002:"
_KNOWN_TAGS: Final = frozenset(
    {"!"} | {_TAG + name for name in ("str", "int", "float", "bool", "null", "map", "seq")}
)

ScalarValue = str | int | float | bool | None


class Scalar(Struct, frozen=True):
    value: ScalarValue
    mark: Mark


class Seq(Struct, frozen=True):
    items: tuple[Node, ...]
    mark: Mark


class Entry(Struct, frozen=True):
    """One key of a map, where the key stands, and its value."""

    key: str
    mark: Mark
    value: Node


class Map(Struct, frozen=True):
    """Entries by key, in the order of the file; never mutated."""

    entries: Mapping[str, Entry]
    mark: Mark

    def get(self, key: str) -> Node | None:
        entry = self.entries.get(key)
        return None if entry is None else entry.value


Node = Scalar | Seq | Map


class Document(Struct, frozen=True):
    """What one file held; `root` is None when nothing could be read, an empty Map when empty."""

    root: Map | None
    diagnostics: tuple[Diagnostic, ...]
    text: str


def parse_yaml(data: bytes, file: str) -> Document:
    """One YAML file's bytes to its tree and everything that is wrong with its YAML."""
    if len(data) > MAX_BYTES:
        message = f"the file has more than the {MAX_BYTES >> 20} MiB allowed for one file"
        hint = "split it and use `include`"
        return Document(None, (error("OR103", Mark(file, 1, 1), message, hint=hint),), "")
    text, undecodable = _decode(data, file)
    if undecodable is not None:
        return Document(None, (undecodable,), text)
    unprintable = _UNPRINTABLE.search(text)
    if unprintable is not None:
        name = "NUL" if unprintable[0] == "\0" else "control"
        message = f"the file holds a {name} character (U+{ord(unprintable[0]):04X})"
        hint = "remove it, or write it as an escape in double quotes"
        mark = _mark_at(text, unprintable.start(), file)
        return Document(None, (error("OR102", mark, message, hint=hint),), text)
    composer = _Composer(file, text)
    root = composer.compose()
    return Document(root, tuple(composer.findings), text)


def to_plain(node: Node) -> Any:
    """The tree as dicts, lists and scalars, as the JSON Schema validator wants it."""
    match node:
        case Scalar():
            return node.value
        case Seq():
            return [to_plain(item) for item in node.items]
        case Map():
            return {key: to_plain(entry.value) for key, entry in node.entries.items()}


def walk(node: Node, path: Path = ()) -> Iterator[tuple[Path, Mark, Node]]:
    """Every node below and including `node`: its path, where its key or item stands, itself."""
    stack: list[tuple[Path, Mark, Node]] = [(path, node.mark, node)]
    while stack:
        here, mark, current = stack.pop()
        yield here, mark, current
        match current:
            case Scalar():
                pass
            case Seq():
                for index in range(len(current.items) - 1, -1, -1):
                    item = current.items[index]
                    stack.append(((*here, index), item.mark, item))
            case Map():
                entries = reversed(list(current.entries.values()))
                stack.extend(((*here, entry.key), entry.mark, entry.value) for entry in entries)


def texts(node: Node) -> Iterator[str]:
    """Every text value below and including `node`, in no order; cheaper than `walk`."""
    stack = [node]
    while stack:
        current = stack.pop()
        match current:
            case Scalar():
                if isinstance(current.value, str):
                    yield current.value
            case Seq():
                stack.extend(current.items)
            case Map():
                stack.extend(entry.value for entry in current.entries.values())


def find(node: Node, path: Path) -> Node | None:
    """The node at `path`, or None."""
    current: Node | None = node
    for part in path:
        if isinstance(current, Map) and isinstance(part, str):
            current = current.get(part)
        elif isinstance(current, Seq) and isinstance(part, int) and part < len(current.items):
            current = current.items[part]
        else:
            return None
    return current


def key_mark(node: Node, path: Path) -> Mark:
    """Where the last part of `path` stands: a map's key, a list's item; the nearest that exists."""
    mark, current = node.mark, node
    for part in path:
        if isinstance(current, Map) and isinstance(part, str) and part in current.entries:
            entry = current.entries[part]
            mark, current = entry.mark, entry.value
        elif isinstance(current, Seq) and isinstance(part, int) and part < len(current.items):
            current = current.items[part]
            mark = current.mark
        else:
            break
    return mark


def value_mark(node: Node, path: Path) -> Mark:
    """Where the value at `path` starts; its key's place when there is no such node."""
    found = find(node, path)
    return key_mark(node, path) if found is None else found.mark


def _decode(data: bytes, file: str) -> tuple[str, Diagnostic | None]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        message = "the file is UTF-16; OmniRoute reads UTF-8"
        return "", error("OR101", Mark(file, 1, 1), message, hint="save it as UTF-8")
    try:
        return data.decode("utf-8-sig"), None
    except UnicodeDecodeError as bad:
        before = data[: bad.start].decode("utf-8-sig", errors="replace")
        mark = _mark_at(before, len(before), file)
        message = f"the file is not UTF-8: byte 0x{data[bad.start]:02x} does not fit"
        text = data.decode("utf-8-sig", errors="replace")
        return text, error("OR101", mark, message, hint="save it as UTF-8")


def _mark_at(text: str, index: int, file: str) -> Mark:
    """The position of a character; lines end at LF, CRLF or a lone CR, as for the parser."""
    before = text[:index].replace("\r\n", "\n").replace("\r", "\n")
    return Mark(file, before.count("\n") + 1, len(before) - before.rfind("\n"))


class _Refused(Exception):  # noqa: N818 - internal control flow: reading this file ends here
    def __init__(self, finding: Diagnostic) -> None:
        super().__init__(finding.message)
        self.finding = finding


_UNREADABLE: Final = Scalar(None, Mark("", 1, 1))
"""Stands for a value that was reported; its list or map goes on without it."""


class _OpenSeq:
    """A list under construction."""

    __slots__ = ("anchor", "items", "mark", "size")

    def __init__(self, mark: Mark, anchor: str | None) -> None:
        self.mark = mark
        self.anchor = anchor
        self.items: list[Node] = []
        self.size = 1

    def add(self, node: Node) -> None:
        if node is not _UNREADABLE:
            self.items.append(node)

    def close(self) -> Node:
        return Seq(tuple(self.items), self.mark)


class _OpenMap:
    """A map under construction; keys and values arrive in turn."""

    __slots__ = ("anchor", "composer", "entries", "key", "mark", "merged", "plain", "size")

    def __init__(self, mark: Mark, anchor: str | None, composer: _Composer) -> None:
        self.mark = mark
        self.anchor = anchor
        self.composer = composer
        self.entries: dict[str, Entry] = {}
        self.merged: list[Map] = []
        self.key: Node | None = None
        self.plain = False
        self.size = 1

    def add(self, node: Node) -> None:
        if self.key is None:
            self.key = node
            self.plain = self.composer.last_scalar_plain
            return
        key, self.key = self.key, None
        if not isinstance(key, Scalar):
            self.composer.report("OR107", key.mark, "a key must be text, not a list or a map")
        elif key.value == "<<" and self.plain:
            self.merge(key.mark, node)
        elif not isinstance(key.value, str):
            shown = "null" if key.value is None else str(key.value).lower()
            self.composer.report(
                "OR107",
                key.mark,
                f"the key {shown} is not text",
                hint=f'write it in quotes: "{shown}"' if key.value is not None else None,
            )
        elif node is _UNREADABLE:
            pass  # reported; leaving the entry out keeps later stages from reporting it again
        elif key.value in self.entries:
            first = self.entries[key.value].mark
            self.composer.report(
                "OR104",
                key.mark,
                f'the key "{key.value}" stands twice in one map',
                hint="remove or rename one of the two; nothing is overwritten silently",
                related=(Related(first, "first declared here"),),
            )
        else:
            self.entries[key.value] = Entry(key.value, key.mark, node)

    def merge(self, mark: Mark, node: Node) -> None:
        sources = node.items if isinstance(node, Seq) else (node,)
        for source in sources:
            if isinstance(source, Map):
                self.merged.append(source)
            else:
                self.composer.report(
                    "OR109",
                    mark,
                    "a merge key `<<` takes a map or a list of maps",
                    hint="<<: *name",
                )

    def close(self) -> Node:
        entries = self.entries
        for source in self.merged:
            for key, entry in source.entries.items():
                entries.setdefault(key, entry)
        return Map(entries, self.mark)


class _Composer:
    """Events of one document to nodes; collects findings, and gives up only where it must."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.findings: list[Diagnostic] = []
        self.last_scalar_plain = False
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._stack: list[_OpenSeq | _OpenMap] = []
        self._root: Node | None = None

    def report(
        self,
        code: str,
        mark: Mark,
        message: str,
        *,
        hint: str | None = None,
        related: tuple[Related, ...] = (),
    ) -> None:
        self.findings.append(error(code, mark, message, hint=hint, related=related))
        if len(self.findings) >= MAX_FINDINGS:
            raise _Refused(error("OR105", mark, "too many mistakes; the rest was not read"))

    def compose(self) -> Map | None:
        parser = yaml.CLoader(self.text)
        try:
            self._read(parser)
        except _Refused as refused:
            self.findings.append(refused.finding)
            return None
        except yaml.MarkedYAMLError as bad:
            self.findings.append(self._syntax(bad))
            return None
        except yaml.YAMLError as bad:
            self.findings.append(error("OR105", Mark(self.file, 1, 1), f"not YAML: {bad}"))
            return None
        finally:
            parser.dispose()
        root = self._root
        if root is None or (isinstance(root, Scalar) and root.value is None):
            return Map({}, Mark(self.file, 1, 1))
        if not isinstance(root, Map):
            kind = "a list" if isinstance(root, Seq) else "text"
            self.findings.append(
                error(
                    "OR106",
                    root.mark,
                    f"the file holds {kind}; a configuration is a map of sections",
                    hint="begin with `version: 1`",
                )
            )
            return None
        return root

    def _read(self, parser: Any) -> None:
        documents = 0
        while parser.check_event():
            event = parser.get_event()
            match event:
                case yaml.ScalarEvent():
                    self._scalar(event)
                case yaml.MappingStartEvent():
                    self._open(event, _OpenMap(self._mark(event), event.anchor, self))
                case yaml.SequenceStartEvent():
                    self._open(event, _OpenSeq(self._mark(event), event.anchor))
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self._close()
                case yaml.AliasEvent():
                    self._alias(event)
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        raise _Refused(
                            error(
                                "OR108",
                                self._mark(event),
                                "the file holds a second YAML document",
                                hint="put it in a file of its own and use `include`",
                            )
                        )
                case _:
                    pass

    def _mark(self, event: Any) -> Mark:
        start = event.start_mark
        return Mark(self.file, start.line + 1, start.column + 1)

    def _check_tag(self, event: Any) -> None:
        if event.tag is not None and event.tag not in _KNOWN_TAGS:
            shown = event.tag.replace(_TAG, "!!")
            self.report(
                "OR110",
                self._mark(event),
                f"the tag {shown} is not known here",
                hint="remove it; OmniRoute runs nothing out of a file",
            )

    def _scalar(self, event: Any) -> None:
        mark = self._mark(event)
        plain = event.style is None or event.style == ""
        as_text = event.tag in ("!", _TAG + "str") or (event.tag is None and not plain)
        before = len(self.findings)
        self._check_tag(event)
        value: ScalarValue = event.value if as_text else self._resolve(event.value, mark)
        self.last_scalar_plain = plain
        readable = len(self.findings) == before
        self._add(Scalar(value, mark) if readable else _UNREADABLE, event.anchor, 1)

    def _resolve(self, text: str, mark: Mark) -> ScalarValue:
        first = text[:1]
        if first == "" or first in "~nNtTfF":
            if text in _NULL:
                return None
            return _BOOL.get(text, text)
        if first not in "+-.0123456789":
            return text
        if _INT.fullmatch(text):
            number = int(text) if len(text) < 24 else _INT64
            if -_INT64 <= number < _INT64:
                return number
            self.report(
                "OR111", mark, "the number does not fit in 64 bits", hint="quote it as text"
            )
            return 0
        if _FLOAT.fullmatch(text) and any(char.isdigit() for char in text):
            number = float(text)
            if number not in (float("inf"), float("-inf")):
                return number
            self.report("OR111", mark, "the number is too large", hint="quote it as text")
            return None
        return text

    def _open(self, event: Any, opened: _OpenSeq | _OpenMap) -> None:
        self._check_tag(event)
        if len(self._stack) >= MAX_DEPTH:
            message = f"lists and maps are nested more than {MAX_DEPTH} deep"
            raise _Refused(error("OR112", opened.mark, message))
        self._stack.append(opened)

    def _close(self) -> None:
        opened = self._stack.pop()
        self._add(opened.close(), opened.anchor, opened.size)

    def _alias(self, event: Any) -> None:
        found = self._anchors.get(event.anchor)
        if found is None:
            mark = self._mark(event)
            if any(opened.anchor == event.anchor for opened in self._stack):
                message = f"the alias *{event.anchor} stands inside its own anchor"
            else:
                message = f"the alias *{event.anchor} has no anchor &{event.anchor} before it"
            self.report("OR109", mark, message)
            found = (_UNREADABLE, 1)
        self.last_scalar_plain = False
        node, size = found
        self._add(node, None, size)

    def _add(self, node: Node, anchor: str | None, size: int) -> None:
        """Hand a finished node to its parent; `size` counts it with everything below."""
        if size > MAX_NODES:
            raise _Refused(
                error(
                    "OR113",
                    node.mark,
                    f"aliases expand to more than {MAX_NODES:,} values",
                    hint="the file looks like an alias bomb; write the values out",
                )
            )
        if anchor is not None:
            self._anchors[anchor] = (node, size)
        if self._stack:
            parent = self._stack[-1]
            parent.size += size
            parent.add(node)
        else:
            self._root = node

    def _syntax(self, bad: yaml.MarkedYAMLError) -> Diagnostic:
        at = bad.problem_mark or bad.context_mark
        mark = Mark(self.file, at.line + 1, at.column + 1) if at else Mark(self.file, 1, 1)
        problem = bad.problem or "cannot be read"
        lines = self.text.splitlines()
        line = lines[mark.line - 1] if mark.line <= len(lines) else ""
        related = ()
        if bad.context and bad.context_mark is not None:
            where = Mark(self.file, bad.context_mark.line + 1, bad.context_mark.column + 1)
            related = (Related(where, bad.context),)
        return error(
            "OR105", mark, f"not YAML: {problem}", hint=_syntax_hint(line), related=related
        )


def _syntax_hint(line: str) -> str | None:
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" in indent:
        return "the line begins with a tab; YAML is indented with spaces"
    value = line.partition(": ")[2].strip()
    if value[:1] in ("*", "&", "!", "%", "@", "`", "{", "["):
        return f"a value that begins with {value[:1]} needs quotes when it is meant as text"
    if ": " in value:
        return "a value that holds `: ` needs quotes"
    return None
