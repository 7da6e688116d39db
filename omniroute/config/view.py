"""A map of the checked tree as the section builders see it: typed look-ups with defaults.

The tree has passed the schema, or lost the parts that did not, so a look-up never fails: what is
absent gives the default. What a schema cannot say, such as a malformed reference inside a text, is
collected in `Findings` while reading.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar

from omniroute.base.units import parse_duration, parse_size, parse_usd
from omniroute.config.diagnostics import Diagnostic, Path, error
from omniroute.config.model import Mark, Ref
from omniroute.config.refs import RefSyntaxError, parse_refs
from omniroute.config.yamltree import Map, Node, Scalar, ScalarValue, Seq, to_plain

T = TypeVar("T")

_REF_FORMS: Final = "${env:NAME}, ${env:NAME:-default} or ${file:/path}; $${ is a literal ${"


class Findings:
    """What building finds, and how paths become absolute; one per check."""

    def __init__(self, absolute: Callable[[str], str]) -> None:
        self.absolute = absolute
        self.items: list[Diagnostic] = []

    def folder_of(self, mark: Mark) -> str:
        """The absolute folder of the file that declares something."""
        return self.absolute(posixpath.dirname(mark.file) or ".")


class View:
    """Read-only look-ups in one map; an absent map reads as an empty one."""

    __slots__ = ("_node", "findings", "own_mark", "path")

    def __init__(
        self, node: Node | None, path: Path, findings: Findings, own_mark: Mark | None = None
    ) -> None:
        self._node = node if isinstance(node, Map) else Map({}, Mark("", 1, 1))
        self.path = path
        self.findings = findings
        self.own_mark = own_mark or self._node.mark
        """Where the key stands that leads here, for findings about the whole entry."""

    @property
    def mark(self) -> Mark:
        return self._node.mark

    def __contains__(self, key: str) -> bool:
        return key in self._node.entries

    def keys(self) -> Iterator[str]:
        return iter(self._node.entries)

    def key_mark(self, key: str) -> Mark:
        """Where the key stands; the map itself when it is absent."""
        entry = self._node.entries.get(key)
        return self.mark if entry is None else entry.mark

    def value_mark(self, key: str) -> Mark:
        entry = self._node.entries.get(key)
        return self.mark if entry is None else entry.value.mark

    def view(self, key: str) -> View:
        return View(self._node.get(key), (*self.path, key), self.findings, self.key_mark(key))

    def views(self, key: str) -> Iterator[tuple[str, View]]:
        """The entries of a map keyed by id."""
        inner = self.view(key)
        for name in inner.keys():  # noqa: SIM118 -- a View is not iterable by itself
            yield name, inner.view(name)

    def items(self, key: str) -> Iterator[View]:
        """The maps of a list; a plain item reads as an empty map whose `mark` is right."""
        node = self._node.get(key)
        for index, item in enumerate(node.items if isinstance(node, Seq) else ()):
            yield View(
                item if isinstance(item, Map) else Map({}, item.mark),
                (*self.path, key, index),
                self.findings,
            )

    def texts_or_maps(self, key: str) -> Iterator[str | View]:
        """The items of a list that may hold both."""
        for index, item in enumerate(self._items(key)):
            if isinstance(item, Scalar) and isinstance(item.value, str):
                yield item.value
            elif isinstance(item, Map):
                yield View(item, (*self.path, key, index), self.findings)

    def _items(self, key: str) -> tuple[Node, ...]:
        node = self._node.get(key)
        return node.items if isinstance(node, Seq) else ()

    def scalar(self, key: str) -> ScalarValue:
        node = self._node.get(key)
        return node.value if isinstance(node, Scalar) else None

    def text(self, key: str, default: str) -> str:
        value = self.optional_text(key)
        return default if value is None else value

    def optional_text(self, key: str) -> str | None:
        value = self.scalar(key)
        if not isinstance(value, str):
            return None
        self._refuse_refs(value, key)
        return value

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of texts; a single text counts as a list of one."""
        node = self._node.get(key)
        if isinstance(node, Scalar) and isinstance(node.value, str):
            return (node.value,)
        if not isinstance(node, Seq):
            return default
        found = (item.value for item in node.items if isinstance(item, Scalar))
        return tuple(value for value in found if isinstance(value, str))

    def words(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of texts and whole numbers, all as text."""
        if key not in self:
            return default
        found = (item.value for item in self._items(key) if isinstance(item, Scalar))
        return tuple(str(value) for value in found)

    def marked_texts(self, key: str) -> Iterator[tuple[str, Mark]]:
        """As `texts`, each with its place."""
        node = self._node.get(key)
        for item in (
            (node,) if isinstance(node, Scalar) else node.items if isinstance(node, Seq) else ()
        ):
            if isinstance(item, Scalar) and isinstance(item.value, str):
                yield item.value, item.mark

    def text_map(self, key: str) -> Mapping[str, str]:
        inner = self.view(key)
        return {name: inner.text(name, "") for name in inner.keys()}  # noqa: SIM118 -- as above

    def plain_map(self, key: str) -> Mapping[str, object]:
        """A map whose inside no section reads: as plain JSON values."""
        node = self._node.get(key)
        return to_plain(node) if isinstance(node, Map) else {}

    def boolean(self, key: str, *, default: bool) -> bool:
        value = self.scalar(key)
        return value if isinstance(value, bool) else default

    def integer(self, key: str, default: int) -> int:
        value = self.optional_integer(key)
        return default if value is None else value

    def optional_integer(self, key: str) -> int | None:
        value = self.scalar(key)
        return (
            int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        )

    def number(self, key: str, default: float) -> float:
        value = self.scalar(key)
        return float(value) if isinstance(value, int | float) else default

    def duration_s(self, key: str, default_s: float) -> float:
        value = self.scalar(key)
        return parse_duration(value) if isinstance(value, str) else default_s

    def size_bytes(self, key: str, default_bytes: int) -> int:
        value = self.scalar(key)
        return parse_size(value) if isinstance(value, str) else default_bytes

    def nanousd(self, key: str) -> int | None:
        value = self.scalar(key)
        return None if isinstance(value, bool) or value is None else parse_usd(value)

    def file_path(self, key: str) -> str | None:
        """An absolute path; a relative one starts from the folder of the file that holds it."""
        value = self.optional_text(key)
        if value is None:
            return None
        folder = self.findings.folder_of(self.value_mark(key))
        return posixpath.normpath(posixpath.join(folder, value))

    def ref(self, key: str) -> Ref | None:
        """Text that may hold secret references; a malformed one is reported and left out."""
        value = self.scalar(key)
        if not isinstance(value, str):
            return None
        mark = self.value_mark(key)
        try:
            parse_refs(value)
        except RefSyntaxError as bad:
            self.report("OR301", mark, str(bad), key=key, hint=f"write {_REF_FORMS}")
            return None
        return Ref(value, self.findings.folder_of(mark))

    def ref_map(self, key: str) -> Mapping[str, Ref]:
        inner = self.view(key)
        refs = ((name, inner.ref(name)) for name in inner.keys())  # noqa: SIM118 -- as above
        return {name: ref for name, ref in refs if ref is not None}

    def enum(self, key: str, parse: Callable[[str], T], default: T) -> T:
        """A choice that the schema has checked, given its type by `parse`."""
        value = self.scalar(key)
        return parse(value) if isinstance(value, str) else default

    def report(
        self,
        code: str,
        mark: Mark,
        message: str,
        *,
        key: str | None = None,
        hint: str | None = None,
    ) -> None:
        path = self.path if key is None else (*self.path, key)
        self.findings.items.append(error(code, mark, message, path=path, hint=hint))

    def _refuse_refs(self, value: str, key: str) -> None:
        if "${env:" in value or "${file:" in value:
            self.report(
                "OR302",
                self.value_mark(key),
                "references are not looked up here",
                key=key,
                hint="they work in api_key, in header values and in proxy URLs",
            )
