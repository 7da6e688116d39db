"""What known fields of a client's body may be: a table's `fields`, as types for msgspec to check.

A body is checked in one pass of compiled code; fields that no table knows are never looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final, Literal, Union

import msgspec
from msgspec import Meta, Struct

from omniroute.errors import TranslationError
from omniroute.expr.functions import type_name
from omniroute.translation.problem import Problem
from omniroute.translation.shape import is_array, is_object

ROOT: Final = "request"
"""The shape of the body itself."""
_PLAIN: Final[Mapping[str, tuple[Any, str]]] = {
    "text": (str, "a string"),
    "number": (float, "a number"),
    "integer": (Annotated[float, Meta(multiple_of=1)], "a whole number"),
    "natural": (Annotated[float, Meta(multiple_of=1, ge=0)], "a whole number of at least 0"),
    "positive": (Annotated[float, Meta(multiple_of=1, ge=1)], "a whole number of at least 1"),
    "boolean": (bool, "a boolean"),
    "object": (dict, "an object"),
    "any": (Any, "anything"),
}
"""What is no word, shape or list, and how a refusal calls it. A whole number may end in `.0`."""
_SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = {
    "text": {"type": "string"},
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "natural": {"type": "integer", "minimum": 0},
    "positive": {"type": "integer", "minimum": 1},
    "boolean": {"type": "boolean"},
    "object": {"type": "object"},
    "any": {},
}
"""The same in JSON Schema."""
_LIST: Final = r"\[[^\[\]]+\]\+?"
_ONE: Final = rf"'[^'\[\]|]+'|\w+|{_LIST}|\[(?:[^\[\]]|{_LIST})+\]\+?"
"""Lists may hold lists, but not deeper ones."""
_KIND: Final = re.compile(rf"\s*(?:{_ONE})\s*(?:\|\s*(?:{_ONE})\s*)*(!?)\s*", re.ASCII)
_ONES: Final = re.compile(_ONE, re.ASCII)
_STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_MISSING: Final = re.compile("missing required field `(.+?)`")
_FIELD: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_SHOWN: Final = 40
"""Characters of a wrong value that a refusal repeats."""
_LARGEST_SHOWN: Final = 1e15


class Kind(Struct, frozen=True, kw_only=True):
    """What a field may be: any of these, and null or absent unless it is needed."""

    plain: tuple[str, ...]
    words: tuple[str, ...]
    shape: str | None
    items: Kind | None
    """Of a list."""
    filled: bool
    """The list holds at least one item."""
    needed: bool

    @property
    def holds(self) -> bool:
        """Objects whose shape is known, somewhere in it."""
        return self.shape is not None or (self.items is not None and self.items.holds)

    @property
    def told(self) -> str:
        """As a refusal says it."""
        told = [f"one of {', '.join(map(repr, self.words))}"] if self.words else []
        told += [_PLAIN[name][1] for name in self.plain]
        if self.items is not None:
            told.append("an array of at least one item" if self.filled else "an array")
        if self.shape is not None:
            told.append("an object")
        return " or ".join(told)


class _Below:
    """A field that holds objects of a known shape: itself, or as the items of its list."""

    def __init__(self, field: str, kind: Kind) -> None:
        self.field = field
        self.shape = kind.shape
        self.items = None if kind.items is None else kind.items.shape


class KnownFields:
    """The fields of one format's requests."""

    def __init__(
        self,
        shapes: Mapping[str, Mapping[str, Kind]],
        body: type[Struct],
        mentioned: frozenset[str] = frozenset(),
    ) -> None:
        """`mentioned`: names that the table reads somewhere, said to be something or not."""
        self._shapes = shapes
        self._body = body
        self._read = {name: mentioned.union(kinds) for name, kinds in shapes.items()}
        self._below = {
            name: tuple(_Below(field, kind) for field, kind in kinds.items() if kind.holds)
            for name, kinds in shapes.items()
        }

    def check(self, body: dict[str, Any]) -> None:
        """Raises TranslationError with the wrong field's path, as `messages[0].role`."""
        try:
            msgspec.convert(body, self._body)
        except msgspec.ValidationError as error:
            raise self._refusal(body, str(error)) from None

    def unread(self, body: dict[str, Any], *, known: frozenset[str] | None) -> Iterator[str]:
        """Paths of members that no row of the table reads, as `messages[].name`: those of objects
        whose shape is known, and the body's own where the others of those are not `known`."""
        if known is None:
            known = self._read[ROOT]
        yield from (name for name in body if name not in known and body[name] is not None)
        yield from self._unread_below(body, ROOT, "")

    def _unread(self, item: Any, shape: str, path: str) -> Iterator[str]:
        if not is_object(item):
            return
        if not item.keys() <= self._read[shape]:
            for name in item.keys() - self._read[shape]:
                if item[name] is not None:
                    yield f"{path}.{name}"
        yield from self._unread_below(item, shape, f"{path}.")

    def _unread_below(self, item: dict[str, Any], shape: str, path: str) -> Iterator[str]:
        for below in self._below[shape]:
            value = item.get(below.field)
            if is_array(value):
                for one in value if below.items is not None else ():
                    yield from self._unread(one, below.items or "", f"{path}{below.field}[]")
            elif below.shape is not None:
                yield from self._unread(value, below.shape, f"{path}{below.field}")

    def schemas(self, name: Callable[[str], str]) -> dict[str, dict[str, Any]]:
        """A JSON Schema for each shape, by the name that `name` gives it; the body's first.

        They refer to each other as components of an OpenAPI document.
        """
        return {name(shape): _schema(self._shapes[shape], name) for shape in self._shapes}

    def _refusal(self, body: dict[str, Any], said: str) -> TranslationError:
        """The refusal of the value at the path that msgspec names."""
        value: Any = body
        kind: Any = _parse(ROOT)
        path = ""
        for name, index in _steps(said):
            if name:
                value, kind = value.get(name), self._shapes[kind.shape][name]
                path += f".{name}" if path else name
            else:
                value, kind = value[int(index)], kind.items
                path += f"[{index}]"
        if value is None and kind.needed:
            return TranslationError(f"{path} is required", param=path)
        message = f"{path} must be {kind.told}, not {_shown(value, kind)}"
        return TranslationError(message, param=path)


def names_in(template: Any) -> frozenset[str]:
    """Every name that a part of a table mentions: what it reads is among them."""
    if type(template) is str:
        return frozenset(_FIELD.findall(template))
    if is_object(template):
        inner = (names_in(value) for value in template.values())
        return frozenset(name for key in template for name in _FIELD.findall(key)).union(*inner)
    return frozenset[str]().union(*map(names_in, template)) if is_array(template) else frozenset()


def known_fields(
    section: Mapping[str, Any], mentioned: frozenset[str] = frozenset()
) -> tuple[KnownFields | None, list[Problem]]:
    """A table's `fields`, and what is wrong with them; None where there are none. `mentioned` are
    other names that it reads."""
    if not section:
        return None, []
    build = _Build(section)
    body = build.shape(ROOT, ())
    if ROOT not in section:
        build.problem((), f"fields needs {ROOT}, the body itself")
    for name in section.keys() - build.kinds.keys():
        build.problem((name,), "no other shape has a field of this one")
    return (
        None if body is None or build.problems else KnownFields(build.kinds, body, mentioned)
    ), (build.problems)


class _Build:
    def __init__(self, section: Mapping[str, Any]) -> None:
        self.problems: list[Problem] = []
        self.kinds: dict[str, dict[str, Kind]] = {}
        self._section = section
        self._made: dict[str, type[Struct] | None] = {}

    def shape(self, name: str, within: tuple[str, ...]) -> type[Struct] | None:
        """The type of a shape, made once; None when it cannot be made."""
        if name not in self._made:
            self._made[name] = self._shape(name, (*within, name))
        return self._made[name]

    def problem(self, path: tuple[str, ...], message: str) -> None:
        self.problems.append(Problem(path=("fields", *path), message=message))

    def _shape(self, name: str, within: tuple[str, ...]) -> type[Struct] | None:
        members = self._section.get(name)
        kinds = self.kinds[name] = {}
        if not is_object(members):
            return self.problem((name,), "a shape is a map of fields to what they may be")
        needed: list[tuple[Any, ...]] = []
        others: list[tuple[Any, ...]] = []
        renamed: dict[str, str] = {}
        for number, (field, text) in enumerate(members.items()):
            own = f"f{number}"  # a field's name may be a word of Python
            renamed[own] = field
            try:
                kind = kinds[field] = _parse(text)
                hint = self._hint(kind, within)
            except ValueError as error:
                self.problem((name, field), str(error))
                continue
            if not _FIELD.fullmatch(field):
                self.problem((name, field), "a field's name is a word")
            if kind.needed:
                needed.append((own, hint))
            else:
                others.append((own, hint | None, None))
        made = msgspec.defstruct(name, [*needed, *others], rename=renamed, frozen=True, gc=False)
        try:
            msgspec.json.Decoder(made)
        except TypeError:
            return self.problem((name,), "a field is an object in one way")
        return made

    def _hint(self, kind: Kind, within: tuple[str, ...]) -> Any:
        hints: list[Any] = [_PLAIN[name][0] for name in kind.plain]
        if kind.words:
            hints.append(Literal[kind.words])
        if kind.items is not None:
            items: Any = list[self._hint(kind.items, within)]
            hints.append(Annotated[items, Meta(min_length=1)] if kind.filled else items)
        if kind.shape is not None:
            if kind.shape not in self._section:
                known = ", ".join(sorted({*_PLAIN, *self._section}))
                raise ValueError(f"{kind.shape} is unknown; known are {known}")
            if kind.shape in within:
                raise ValueError(f"{kind.shape} cannot hold itself")
            hints.append(self.shape(kind.shape, within) or Any)
        return Union[tuple(hints)]  # noqa: UP007 - of a list


def _schema(kinds: Mapping[str, Kind], name: Callable[[str], str]) -> dict[str, Any]:
    needed = [field for field, kind in kinds.items() if kind.needed]
    return {
        "type": "object",
        "properties": {field: _property(kind, name) for field, kind in kinds.items()},
        **({"required": needed} if needed else {}),
        "additionalProperties": True,
    }


def _property(kind: Kind, name: Callable[[str], str]) -> dict[str, Any]:
    """Any of what the field may be; what is not needed may be null."""
    ones: list[dict[str, Any]] = [dict(_SCHEMAS[plain]) for plain in kind.plain]
    if kind.words:
        ones.append({"enum": list(kind.words)})
    if kind.items is not None:
        least = {"minItems": 1} if kind.filled else {}
        ones.append({"type": "array", "items": _property(kind.items, name), **least})
    if kind.shape is not None:
        ones.append({"$ref": f"#/components/schemas/{name(kind.shape)}"})
    if not kind.needed:
        ones.append({"type": "null"})
    return ones[0] if len(ones) == 1 else {"anyOf": ones}


def _parse(text: object) -> Kind:
    """`text | [part]+ !` as a Kind. Raises ValueError."""
    found = _KIND.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError("what a field may be is a text like: text | 'word' | [shape]+ !")
    ones = _ONES.findall(found[0])
    names = [one for one in ones if one[0] not in "'["]
    lists = [one for one in ones if one[0] == "["]
    shapes = [name for name in names if name not in _PLAIN]
    if len(lists) > 1 or len(shapes) > 1:
        raise ValueError("a field is a list in one way, an object in one way")
    items = lists[0].removesuffix("+")[1:-1] if lists else ""
    return Kind(
        plain=tuple(name for name in names if name in _PLAIN),
        words=tuple(one[1:-1] for one in ones if one[0] == "'"),
        shape=shapes[0] if shapes else None,
        items=msgspec.structs.replace(_parse(items), needed=True) if items else None,
        filled=bool(lists) and lists[0][-1] == "+",
        needed=found[1] == "!",
    )


def _steps(said: str) -> Iterator[tuple[str, str]]:
    """The path in msgspec's words: names of fields and numbers of items."""
    _, at, path = said.rpartition(" - at `$")
    for step in _STEP.finditer(path.rstrip("`") if at else ""):
        yield step[1] or "", step[2] or ""
    missing = _MISSING.search(said)
    if missing is not None:
        yield missing[1], ""


def _shown(value: Any, kind: Kind) -> str:
    if kind.words and type(value) is str:
        return repr(value[:_SHOWN]) + ("…" if len(value) > _SHOWN else "")
    if kind.plain and type(value) in (int, float) and abs(value) < _LARGEST_SHOWN:
        return f"{value:g}"
    return "an empty one" if is_array(value) and not value else type_name(value)
