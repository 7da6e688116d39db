"""Functions for tables on JSON Schemas: what one format says so and another cannot say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from omniroute.translation.shape import is_array, is_object

_KEPT: Final = frozenset(
    {
        *("title", "description", "format", "default", "example", "pattern", "required"),
        *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"),
        *("minProperties", "maxProperties", "propertyOrdering"),
    }
)
"""What a schema subset takes as it is."""
_COUNTS: Final = frozenset(
    {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
)
_MAPS_OF_SCHEMAS: Final = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
)
_COMBINES: Final = frozenset({"anyOf", "oneOf", "allOf", "$ref"})
_SCHEMAS: Final = frozenset(
    {
        *("anyOf", "oneOf", "allOf", "prefixItems", "items", "additionalProperties"),
        *("not", "if", "then", "else", "contains", "propertyNames"),
    }
)
_MAX_DEPTH: Final = 40  # of a lowered schema; what refers to itself ends there at the latest
_MAX_GROWTH: Final = 8
_SPARE: Final = 1000
"""Written-out references may make a schema that many times as large, and so much larger: a few that
name each other twice would grow beyond all bounds."""


def _is_object_schema(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    if kind is None:
        return "properties" in schema
    return kind == "object" or (is_array(kind) and "object" in kind)


def _children(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The members of a schema that hold schemas, as lists of them or maps, by name."""
    for key, value in schema.items():
        is_map = key in _MAPS_OF_SCHEMAS and is_object(value)
        if is_map or (key in _SCHEMAS and (is_object(value) or is_array(value))):
            yield key, value


def _subschemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key, value in _children(schema):
        if key in _MAPS_OF_SCHEMAS:
            inner = list(value.values())
        else:
            inner = value if is_array(value) else [value]
        for one in inner:
            if is_object(one):
                yield one


def closed_schema(schema: Any) -> Any:
    """A JSON Schema none of whose objects allows a member that it does not declare."""
    if not is_object(schema):
        return schema
    closed = dict(schema)
    for key, value in _children(schema):
        if key in _MAPS_OF_SCHEMAS:
            closed[key] = {name: closed_schema(one) for name, one in value.items()}
        elif is_array(value):
            closed[key] = [closed_schema(one) for one in value]
        else:
            closed[key] = closed_schema(value)
    if _is_object_schema(schema):
        closed["additionalProperties"] = False
    return closed


def allows_more(schema: Any) -> bool:
    """Whether an object of a JSON Schema is made for members that it does not declare.

    That is a map, or any object at all; closing it would change what it means.
    """
    if not is_object(schema):
        return False
    if _is_object_schema(schema) and schema.get("additionalProperties") is not False:
        if schema.get("additionalProperties") or "patternProperties" in schema:
            return True
        if "properties" not in schema and not _COMBINES & schema.keys():
            return True
    return any(allows_more(one) for one in _subschemas(schema))


def requires_all(schema: Any) -> bool:
    """Whether each object of a JSON Schema is closed and requires every member it declares."""
    if not is_object(schema):
        return True
    if _is_object_schema(schema):
        declared = schema.get("properties")
        names = set(declared) if is_object(declared) else set[str]()
        required = schema.get("required")
        if schema.get("additionalProperties") is not False:
            return False
        if names != set(required if is_array(required) else ()):
            return False
    return all(requires_all(one) for one in _subschemas(schema))


def plain_schema(schema: Any) -> Any:
    """A JSON Schema from a schema in the way of OpenAPI 3.0: lower-case types, no `nullable`."""
    if not is_object(schema):
        return schema
    plain: dict[str, Any] = {}
    for key, value in schema.items():
        match key:
            case "type" if type(value) is str:
                plain[key] = value.lower()
            case "properties" | "$defs" | "defs" if is_object(value):
                name = "$defs" if key == "defs" else key
                plain[name] = {own: plain_schema(one) for own, one in value.items()}
            case "anyOf" | "oneOf" | "allOf" | "prefixItems" if is_array(value):
                plain[key] = [plain_schema(one) for one in value]
            case "items" | "additionalProperties":
                plain[key] = plain_schema(value)
            case "ref":
                plain["$ref"] = value
            case "nullable" | "propertyOrdering" | "example":
                continue
            case _ if key in _COUNTS and type(value) is str and value.isdigit():
                plain[key] = int(value)  # 64 bit numbers are texts in some JSON
            case _:
                plain[key] = value
    if schema.get("nullable") is True and type(plain.get("type")) is str:
        plain["type"] = [plain["type"], "null"]
    return plain


def schema_subset(schema: Any) -> Any:
    """A JSON Schema in the smaller language of OpenAPI 3.0, for models that know no other.

    References are written out, one that leads into itself as any object, and so are those that
    would make the schema many times as large; alternatives become `anyOf`, a constant an `enum`, a
    list of types `nullable`. What is left over is left out.
    """
    if not is_object(schema):
        return schema
    return _Lowering(schema).lowered(schema, ())


def _size(schema: Any) -> int:
    """Members and items, in all depths."""
    size = 0
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if is_object(node):
            size += len(node)
            waiting.extend(node.values())
        elif is_array(node):
            size += len(node)
            waiting.extend(node)
    return size


def _definitions(schema: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"#": schema}
    for place in ("$defs", "definitions"):
        members = schema.get(place)
        if is_object(members):
            found.update({f"#/{place}/{name}": one for name, one in members.items()})
    return found


class _Lowering:
    """One schema on its way, and how much may still be written."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._known = _definitions(schema)
        self._left = _MAX_GROWTH * _size(schema) + _SPARE

    def lowered(self, schema: Any, within: tuple[str, ...]) -> dict[str, Any]:
        if not is_object(schema) or len(within) > _MAX_DEPTH or self._left <= 0:
            return {"type": "OBJECT"} if schema is not True else {"type": "STRING"}
        self._left -= 1 + len(schema)
        reference = schema.get("$ref")
        if type(reference) is str:
            target = self._known.get(reference)
            if reference in within or not is_object(target):
                return {"type": "OBJECT"}
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            return self.lowered({**target, **rest}, (*within, reference))
        merged = self._merged(schema)
        low = {key: value for key, value in merged.items() if key in _KEPT}
        below = (*within, "")
        _lower_type(merged, low)
        if "const" in merged:
            merged["enum"] = [merged["const"]]
        if is_array(merged.get("enum")):
            self._left -= len(merged["enum"])
            low["enum"] = [one if type(one) is str else str(one) for one in merged["enum"]]
            low["type"] = "STRING"
        alternatives = merged.get("anyOf") or merged.get("oneOf")
        if is_array(alternatives):
            _lower_alternatives([self.lowered(one, below) for one in alternatives], low)
        if is_object(merged.get("properties")):
            properties = merged["properties"]
            low["type"] = "OBJECT"
            low["properties"] = {own: self.lowered(one, below) for own, one in properties.items()}
        if low.get("type") == "ARRAY":
            low["items"] = self.lowered(merged.get("items", True), below)
        for key, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if type(merged.get(key)) in (int, float):
                low.setdefault(bound, merged[key])
        return low

    def _merged(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema with its `allOf` put into one."""
        merged = dict(schema)
        parts = merged.pop("allOf", None)
        ours: set[str] = set()  # the members that are copies, and may grow
        for part in parts if is_array(parts) else ():
            own: Any = self._known.get(str(part.get("$ref")), part) if is_object(part) else {}
            for key, value in (own if is_object(own) else {}).items():
                old = merged.get(key)
                self._left -= 1 + (len(value) if is_object(value) or is_array(value) else 0)
                if is_object(old) and is_object(value):
                    grown = old if key in ours else dict(old)
                    merged[key] = grown
                    ours.add(key)
                    for name, one in value.items():
                        grown.setdefault(name, one)
                elif is_array(old) and is_array(value):
                    if key not in ours:
                        merged[key] = old = list(old)
                        ours.add(key)
                    old.extend(value)
                else:
                    merged.setdefault(key, value)
        return merged


def _lower_type(schema: dict[str, Any], low: dict[str, Any]) -> None:
    kinds = schema.get("type")
    names = [one for one in (kinds if is_array(kinds) else [kinds]) if type(one) is str]
    if "null" in names and len(names) > 1:
        low["nullable"] = True
        names.remove("null")
    if len(names) > 1:
        low["anyOf"] = [{"type": name.upper()} for name in names]
    elif names:
        low["type"] = names[0].upper()


def _lower_alternatives(alternatives: list[dict[str, Any]], low: dict[str, Any]) -> None:
    some = [one for one in alternatives if one.get("type") != "NULL"]
    if len(some) < len(alternatives):
        low["nullable"] = True
    if len(some) == 1:
        for key, value in some[0].items():
            low.setdefault(key, value)
    elif some:
        low["anyOf"] = some
