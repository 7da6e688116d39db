"""JSON Schema errors to diagnostics: all of them, each at its key or value, each with a hint.

The schema file is the public description of the language; nothing here knows a section by name.
To add a field or a section, add it to `schemas/omniroute.schema.json` with a title, a description,
a default and an example, and take its path out of `LATER` where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, cast

import jsonschema
import orjson
from jsonschema import validators
from jsonschema.protocols import Validator
from msgspec import Struct

from omniroute.base.data import read_data
from omniroute.base.similar import similar_names
from omniroute.config.diagnostics import Diagnostic, Path, error
from omniroute.config.yamltree import Entry, Map, Node, Scalar, Seq, key_mark, to_plain, value_mark

Schema = Mapping[str, Any]

LATER: Final[frozenset[tuple[str, ...]]] = frozenset(
    {
        ("evals",),
        ("git",),
        ("providers", "*", "connections", "*", "oauth"),
        ("providers", "*", "resilience", "health_check"),
        ("combos", "*", "resilience", "health_check"),
        ("resilience", "health_check"),
        ("usage", "capture"),
        ("usage", "redact"),
        ("usage", "store"),
    }
)
"""Keys of the language that this version does not have; their error says so."""

_TYPES: Final = {
    "object": "a map",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}
_YES_NO: Final = frozenset({"yes", "no", "on", "off", "y", "n"})


class Validated(Struct, frozen=True):
    """What the schema says, and the tree without the parts that it refuses."""

    diagnostics: tuple[Diagnostic, ...]
    valid: Map


@cache
def load_schema() -> Schema:
    """The schema with its local `$ref`s put in place; never mutated."""
    raw: dict[str, Any] = orjson.loads(read_data("schemas", "omniroute.schema.json"))
    definitions: dict[str, Any] = raw.pop("$defs")
    return cast("Schema", _inline(raw, definitions))


def check_schema(root: Map) -> Validated:
    """Validate the tree; every error becomes at least one diagnostic."""
    found: list[Diagnostic] = []
    refused: set[Path] = set()
    for problem in _validator().iter_errors(to_plain(root)):  # pyright: ignore[reportUnknownMemberType] -- jsonschema leaves its instance type open
        for path, diagnostic in _translate(problem, root):
            found.append(diagnostic)
            if path is not None:
                refused.add(path)
    return Validated(tuple(found), cast("Map", _prune(root, _tree_of(refused))))


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `name`, when one is close."""
    # difflib is slow over thousands of names; a typo seldom changes both ends or much length.
    near = [
        other
        for other in known
        if abs(len(other) - len(name)) <= 4 and (other[:1] == name[:1] or other[-1:] == name[-1:])
    ]
    close = similar_names(name, near[:500])
    return close[0] if close else None


def suggest(name: str, known: Iterable[str]) -> str | None:
    """A hint for an unknown name: the nearest known one, else the list while it is short."""
    names = sorted(known)
    close = did_you_mean(name, names)
    if close is not None:
        return f'did you mean "{close}"?'
    if 0 < len(names) <= 12:
        return "known here: " + ", ".join(names)
    return None


@cache
def _validator() -> Validator:
    # jsonschema's own types end here: `extend` makes a class at run time.
    extend: Any = vars(validators)["extend"]
    make: Any = extend(jsonschema.Draft202012Validator, {"pattern": _whole_pattern})
    return cast("Validator", make(load_schema()))


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    # In Python `$` also matches before a final line end; in JSON Schema's dialect it does not.
    return re.compile(re.sub(r"\$$", r"\\Z", pattern))


def _whole_pattern(
    _validator: Any, pattern: str, instance: object, _schema: object
) -> Iterator[jsonschema.ValidationError]:
    if isinstance(instance, str) and not _compile(pattern).search(instance):
        yield jsonschema.ValidationError("does not match")


def _inline(node: object, definitions: Mapping[str, Any]) -> object:
    if isinstance(node, list):
        return [_inline(item, definitions) for item in cast("list[object]", node)]
    if not isinstance(node, dict):
        return node
    fields = cast("dict[str, object]", node)
    if "x-catalog" in fields:  # a list for editors: a check is given the catalog itself
        fields = {key: value for key, value in fields.items() if key != "enum"}
    name = fields.get("$ref")
    if isinstance(name, str):
        target = cast("dict[str, object]", definitions[name.removeprefix("#/$defs/")])
        own = {key: value for key, value in fields.items() if key != "$ref"}
        merged = {**target, **own}
        # The definition's name tells people what is expected; the field's own title does not.
        merged.setdefault("x-form", target.get("title"))
        merged["x-examples"] = target.get("examples", [])
        return _inline(merged, definitions)
    return {key: _inline(value, definitions) for key, value in fields.items()}


def _translate(
    problem: jsonschema.ValidationError, root: Map
) -> Iterator[tuple[Path | None, Diagnostic]]:
    """(path of what is to be left out, diagnostic), one or several for one schema error."""
    path: Path = tuple(problem.absolute_path)
    keyword = str(problem.validator)
    if "propertyNames" in list(problem.absolute_schema_path)[-2:-1]:
        yield _bad_name(problem, root, path)
    elif keyword == "additionalProperties":
        yield from _unknown_keys(problem, root, path)
    elif keyword == "required":
        yield from _missing_keys(problem, root, path)
    else:
        explain = _EXPLAIN.get(keyword, _explain_other)
        code, message, hint = explain(problem)
        yield path, error(code, value_mark(root, path), message, path=path, hint=hint)


def _bad_name(
    problem: jsonschema.ValidationError, root: Map, path: Path
) -> tuple[Path, Diagnostic]:
    name = str(problem.instance)
    form = str(_schema_of(problem).get("x-form") or _schema_of(problem).get("title", "name"))
    here: Path = (*path, name)
    message = f'"{_short(name)}" is not a valid {form}'
    hint = _schema_of(problem).get("description") or _examples_hint(problem)
    return here, error("OR207", key_mark(root, here), message, path=here, hint=hint)


def _unknown_keys(
    problem: jsonschema.ValidationError, root: Map, path: Path
) -> Iterator[tuple[Path, Diagnostic]]:
    known = cast("Mapping[str, Any]", _schema_of(problem).get("properties", {}))
    present = cast("Mapping[str, Any]", problem.instance)
    for name in present:
        if name in known:
            continue
        here: Path = (*path, name)
        if _is_later(here):
            message = f'this version does not have "{name}" yet'
            hint = "remove it; a newer version of OmniRoute may know it"
            code = "OR209"
        else:
            message = f'unknown key "{_short(name)}"'
            close = did_you_mean(name, known)
            free = [key for key in known if key not in present]
            hint = f'did you mean "{close}"?' if close else suggest(name, free)
            code = "OR201"
        yield here, error(code, key_mark(root, here), message, path=here, hint=hint)


def _missing_keys(
    problem: jsonschema.ValidationError, root: Map, path: Path
) -> Iterator[tuple[None, Diagnostic]]:
    schema = _schema_of(problem)
    present = cast("Mapping[str, Any]", problem.instance)
    missing = [
        name for name in cast("Sequence[str]", problem.validator_value) if name not in present
    ]
    # jsonschema reports each missing name by itself; its message begins with the name.
    for name in missing:
        if not problem.message.startswith(repr(name)):
            continue
        field = cast("Mapping[str, Any]", schema.get("properties", {}).get(name, {}))
        examples = cast("Sequence[object]", field.get("examples", ()))
        hint = f"add `{name}: {_show(examples[0])}`" if examples else None
        mark = key_mark(root, path)
        yield None, error("OR202", mark, f'"{name}" is missing', path=path, hint=hint)


def _schema_of(problem: jsonschema.ValidationError) -> Schema:
    return cast("Schema", problem.schema) if isinstance(problem.schema, dict) else {}


def _is_later(path: Path) -> bool:
    return any(
        len(path) == len(later)
        and all(want in ("*", part) for want, part in zip(later, path, strict=True))
        for later in LATER
    )


def _explain_type(problem: jsonschema.ValidationError) -> tuple[str, str, str | None]:
    wanted = problem.validator_value
    names = [wanted] if isinstance(wanted, str) else list(cast("Sequence[str]", wanted))
    value: object = problem.instance
    expected = " or ".join(_TYPES[name] for name in names if name != "null" or len(names) == 1)
    message = f"expected {expected}, not {_describe(problem)}"
    return "OR203", message, _type_hint(names, value) or _examples_hint(problem)


def _type_hint(names: Sequence[str], value: object) -> str | None:
    if value is None:
        return "the key has no value; give it one or remove the line"
    if "boolean" in names and isinstance(value, str) and value.lower() in _YES_NO:
        return "write true or false; yes, no, on and off are plain text"
    if ("integer" in names or "number" in names) and isinstance(value, str):
        if value.replace(".", "", 1).isdigit():
            return (
                "remove the quotes" if not value.startswith("0") else "write it without zeros first"
            )
        return None
    if names == ["array"] and isinstance(value, str | int | float):
        return f"write it as a list: [{_show(value)}]"
    if names == ["string"] and isinstance(value, bool | int | float):
        return f'write it in quotes: "{_show(value)}"'
    if names[0] == "object" and isinstance(value, list):
        return "write `name: …` entries; maps are keyed by id here"
    return None


def _explain_enum(problem: jsonschema.ValidationError) -> tuple[str, str, str | None]:
    allowed = [_show(value) for value in cast("Sequence[object]", problem.validator_value)]
    value = problem.instance
    choice = f"one of {', '.join(allowed)}" if len(allowed) > 1 else allowed[0]
    message = f"{_describe(problem)} is not {choice}"
    close = did_you_mean(value, allowed) if isinstance(value, str) else None
    if close == value:  # the same letters in quotes: the type's own finding says so
        close = None
    return "OR204", message, f'did you mean "{close}"?' if close else None


def _explain_pattern(problem: jsonschema.ValidationError) -> tuple[str, str, str | None]:
    schema = _schema_of(problem)
    form = schema.get("x-form")
    if not form:
        return "OR205", f"{_describe(problem)} does not fit here", _examples_hint(problem)
    article = "an" if str(form)[0] in "aeio" else "a"
    return "OR205", f"{_describe(problem)} is not {article} {form}", _examples_hint(problem)


def _explain_bound(problem: jsonschema.ValidationError) -> tuple[str, str, str | None]:
    schema, keyword, bound = _schema_of(problem), problem.validator, problem.validator_value
    count = len(cast("Sequence[object]", problem.instance)) if keyword != "minimum" else 0
    match keyword:
        case "minItems":
            message = f"the list needs at least {bound} entr{'y' if bound == 1 else 'ies'}"
        case "maxItems":
            message = f"the list may have {bound} entries at most, not {count}"
        case "minLength":
            message = "the text is empty" if bound == 1 else f"fewer than {bound} characters"
        case "maxLength":
            message = f"the text may have {bound} characters at most, not {count}"
        case _:
            message = f"{_describe(problem)} is too small; the least is {bound}"
    return "OR206", message, _examples_hint(problem) if schema.get("examples") else None


def _explain_maximum(problem: jsonschema.ValidationError) -> tuple[str, str, str | None]:
    return (
        "OR206",
        f"{_describe(problem)} is too large; the most is {problem.validator_value}",
        None,
    )


def _explain_unique(_problem: jsonschema.ValidationError) -> tuple[str, str, str | None]:
    return "OR208", "the list holds the same entry twice", "remove one of the two"


def _explain_other(problem: jsonschema.ValidationError) -> tuple[str, str, str | None]:
    return "OR205", f"{_describe(problem)} does not fit here", _examples_hint(problem)


_EXPLAIN: Final[
    Mapping[str, Callable[[jsonschema.ValidationError], tuple[str, str, str | None]]]
] = {
    "type": _explain_type,
    "enum": _explain_enum,
    "pattern": _explain_pattern,
    "minimum": _explain_bound,
    "minItems": _explain_bound,
    "maxItems": _explain_bound,
    "minLength": _explain_bound,
    "maxLength": _explain_bound,
    "maximum": _explain_maximum,
    "uniqueItems": _explain_unique,
}


def _describe(problem: jsonschema.ValidationError) -> str:
    """The wrong value in words; never a secret field's."""
    value: object = problem.instance
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if _schema_of(problem).get("writeOnly") or _schema_of(problem).get("format"):
        return "this value"
    return f'"{_short(value)}"' if isinstance(value, str) else _show(value)


def _examples_hint(problem: jsonschema.ValidationError) -> str | None:
    schema = _schema_of(problem)
    if "x-hint" in schema:
        return str(schema["x-hint"])
    examples = cast("Sequence[object]", schema.get("x-examples") or schema.get("examples") or ())
    if not examples:
        return None
    shown = [_show(example) for example in examples]
    text = shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " or " + shown[-1]
    return f"for example {text}"


def _show(value: object) -> str:
    """A value as one would write it in the file, on one line."""
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 60 else flat[:57] + "…"


_Refused = dict[str | int, "_Refused"]
"""Paths as a tree; an empty dict ends a path, and the node there is left out."""


def _tree_of(paths: Iterable[Path]) -> _Refused:
    tree: _Refused = {}
    for path in paths:
        here = tree
        for part in path[:-1]:
            here = here.setdefault(part, {})
        if path:
            here[path[-1]] = {}
    return tree


def _prune(node: Node, refused: _Refused) -> Node:
    """The node without what is refused below it; untouched branches are shared."""
    match node:
        case Seq():
            items = tuple(
                _prune(item, refused[index]) if index in refused else item
                for index, item in enumerate(node.items)
                if refused.get(index) != {}
            )
            return Seq(items, node.mark)
        case Map():
            entries = {
                key: Entry(key, entry.mark, _prune(entry.value, refused[key]))
                if key in refused
                else entry
                for key, entry in node.entries.items()
                if refused.get(key) != {}
            }
            return Map(entries, node.mark)
        case Scalar():
            return node


def null_sections_removed(root: Map) -> Map:
    """Without top-level keys that have no value: a section whose entries are all comments."""
    kept = {
        key: entry
        for key, entry in root.entries.items()
        if not (isinstance(entry.value, Scalar) and entry.value.value is None)
    }
    return root if len(kept) == len(root.entries) else Map(kept, root.mark)
