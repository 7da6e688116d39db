"""The checked tree to a value of the model, each field read as its type there says.

The tree has passed the schema, or lost the parts that did not. What a schema cannot say, such as a
malformed reference inside a text, is found here with its place, and left out.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from msgspec.inspect import (
    DictType,
    IntType,
    LiteralType,
    Metadata,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    VarTupleType,
    type_info,
)

from omniroute.config.diagnostics import Diagnostic, Path, error
from omniroute.config.fields import FIELD_READERS, LEFT_OUT, FieldReader, NodePlace, read_text
from omniroute.config.model import Mark
from omniroute.config.yamltree import Map, Node, Scalar, Seq, key_mark, to_plain, value_mark

T = TypeVar("T")
Values = dict[str, Any]
"""A struct's fields by their names in the file."""
Completion = Callable[[Values, Map, Path, "FieldBinding"], Values | None]
"""Adds to a struct's values what stands elsewhere; None leaves the whole entry out."""


class FieldBinding:
    """One reading: what it finds, how paths become absolute, and what completes which struct."""

    def __init__(
        self,
        root: Map,
        *,
        absolute: Callable[[str], str],
        completions: Mapping[type, Completion] | None = None,
    ) -> None:
        self.root = root
        self.completions = completions or {}
        self.diagnostics: list[Diagnostic] = []
        self._absolute = absolute
        self._folders: dict[str, str] = {}

    def folder_of(self, mark: Mark) -> str:
        """The absolute folder of the file that declares something."""
        folder = self._folders.get(mark.file)
        if folder is None:
            folder = self._absolute(posixpath.dirname(mark.file) or ".")
            self._folders[mark.file] = folder
        return folder

    def report(
        self, code: str, path: Path, message: str, *, hint: str | None, at_key: bool = False
    ) -> None:
        """A finding at the value under `path`, or at its key."""
        mark = key_mark(self.root, path) if at_key else value_mark(self.root, path)
        self.diagnostics.append(error(code, mark, message, path=path, hint=hint))


def bind(binding: FieldBinding, kind: type[T]) -> T:
    """`binding.root` as a value of the struct `kind`; findings are in `binding.diagnostics`."""
    return msgspec.convert(_struct(kind)(binding.root, (), binding), kind)


_Reader = Callable[[Node, Path, FieldBinding], Any]


def _compile(kind: Type) -> _Reader:
    match kind:
        case Metadata():
            name = kind_of(kind)
            return _compile(kind.type) if name is None else _Field(FIELD_READERS[name])
        case UnionType(types=types):
            real = [one for one in types if not isinstance(one, NoneType)]
            return _compile(real[0]) if len(real) == 1 else _Field(_whole)
        case StructType(cls=cls):
            return _struct(cls)
        case DictType(value_type=DictType() | StructType() | Metadata() | StrType() as inner):
            return _Entries(inner)
        case VarTupleType(item_type=inner):
            return _Items(_compile(inner))
        case StrType():
            return _Field(read_text)
        case IntType() | LiteralType():
            return _Field(_whole)
        case _:
            return _read_plain


def _whole(value: Any, _place: NodePlace) -> Any:
    """5.0 is a whole number for the schema, and none for the model."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _read_plain(node: Node, _path: Path, _binding: FieldBinding) -> Any:
    """A value that is what it says, or the inside of which no field of the language describes."""
    return to_plain(node)


class _Here:
    """A value's place, as its reader sees it."""

    __slots__ = ("_binding", "_mark", "_path")

    def __init__(self, binding: FieldBinding, path: Path, mark: Mark) -> None:
        self._binding = binding
        self._path = path
        self._mark = mark

    @property
    def folder(self) -> str:
        return self._binding.folder_of(self._mark)

    def report(self, code: str, message: str, hint: str, at: Path = ()) -> None:
        self._binding.report(code, (*self._path, *at), message, hint=hint)


class _Field:
    """A value that its kind's reader reads."""

    def __init__(self, read: FieldReader) -> None:
        self.read = read

    def __call__(self, node: Node, path: Path, binding: FieldBinding) -> Any:
        value = node.value if isinstance(node, Scalar) else to_plain(node)
        return LEFT_OUT if value is None else self.read(value, _Here(binding, path, node.mark))


class _Items:
    """A list; a value that is none counts as a list of one, where the schema lets it be."""

    def __init__(self, read: _Reader) -> None:
        self.read = read

    def __call__(self, node: Node, path: Path, binding: FieldBinding) -> Any:
        if not isinstance(node, Seq):
            read = [self.read(node, path, binding)]
        else:
            read = [
                self.read(item, (*path, index), binding) for index, item in enumerate(node.items)
            ]
        return [item for item in read if item is not LEFT_OUT]


class _Entries:
    """A map from names that the user gives; an entry with an id gets its name as such."""

    def __init__(self, kind: Type) -> None:
        self.read = _compile(kind)
        self.has_id = isinstance(self.read, _Fields) and self.read.has_id

    def __call__(self, node: Node, path: Path, binding: FieldBinding) -> Any:
        found: Values = {}
        for name, entry in cast("Map", node).entries.items():
            value = self.read(entry.value, (*path, name), binding)
            if value is not LEFT_OUT:
                if self.has_id:
                    value["id"] = name
                found[name] = value
        return found


@cache
def _struct(cls: type) -> _Fields:
    return _Fields(cls)


class _Fields:
    """A struct's fields; a text in the place of the map stands for the field that it names."""

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self.short = cast("str | None", getattr(cls, "SHORT", None))
        self.readers: dict[str, _Reader] = {}
        self.stand_ins: Values = {}
        self.has_id = False
        for field in cast("StructType", type_info(cls)).fields:
            kind = kind_of(field.type)
            if kind == "id":
                self.has_id = True
            elif kind != "derived":
                self.readers[field.encode_name] = _compile(field.type)
                if field.required:
                    self.stand_ins[field.encode_name] = _empty(field.type)

    def __call__(self, node: Node, path: Path, binding: FieldBinding) -> Any:
        if isinstance(node, Scalar) and node.value is not None and self.short is not None:
            short = self.readers[self.short](node, path, binding)
            values = {} if short is LEFT_OUT else {self.short: short}
            node = Map({}, node.mark)
        else:
            node = node if isinstance(node, Map) else Map({}, node.mark)
            values = self._values(node, path, binding)
        complete = binding.completions.get(self.cls)
        if complete is not None:
            completed = complete(values, node, path, binding)
            if completed is None:
                return LEFT_OUT
            values = completed
        for name, empty in self.stand_ins.items():
            if values.setdefault(name, empty) is LEFT_OUT:
                return LEFT_OUT
        return values

    def _values(self, node: Map, path: Path, binding: FieldBinding) -> Values:
        found: Values = {}
        for name, entry in node.entries.items():
            value = self.readers[name](entry.value, (*path, name), binding)
            if value is not LEFT_OUT:
                found[name] = value
        return found


def kind_of(kind: Type) -> str | None:
    """The name of a reader, `id` or `derived`; None for a type that is written as it is."""
    extra = cast("Mapping[str, str] | None", kind.extra) if isinstance(kind, Metadata) else None  # pyright: ignore[reportUnknownMemberType] -- msgspec leaves it open
    return None if extra is None else extra.get("kind")


def _empty(kind: Type) -> Any:
    """In the place of a missing value, which was reported, so that later rules see the rest."""
    match kind:
        case StrType():
            return ""
        case VarTupleType():
            return ()
        case LiteralType(values=values):
            return values[0]
        case Metadata(type=IntType()):
            return 0
        case StructType():
            return {}
        case _:
            return LEFT_OUT
