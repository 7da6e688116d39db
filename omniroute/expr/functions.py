"""JMESPath's own functions, as plain Python that checks its argument types."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from omniroute.base.bigjson import write_json
from omniroute.errors import ExpressionError

Function = Callable[..., Any]
_NAMES: Final[Mapping[type[Any], str]] = {
    str: "string",
    bool: "boolean",
    list: "array",
    dict: "object",
    int: "number",
    float: "number",
    type(None): "null",
}
_NUMBERS: Final = (int, float)


def type_name(value: object) -> str:
    """JMESPath's name for the type of a JSON value."""
    return _NAMES.get(type(value), "expression")


def _need(function: str, value: object, *wanted: str) -> None:
    if type_name(value) not in wanted:
        raise ExpressionError(f"{function}() takes {' or '.join(wanted)}, not {type_name(value)}")


def _need_items(function: str, value: Any, *wanted: str) -> None:
    """An array whose items are all of one of the wanted types."""
    _need(function, value, "array")
    if value:
        first = type_name(value[0])
        if first in wanted and len(set(map(type, value))) == 1:
            return
        for item in value:
            if type_name(item) not in wanted or type_name(item) != first:
                raise ExpressionError(f"{function}() takes an array of {' or '.join(wanted)}")


def equals(left: object, right: object) -> bool:
    """JSON equality: unlike Python's, a boolean never equals a number."""
    if (type(left) is bool) is not (type(right) is bool):
        return False
    return left == right


def less(left: Any, right: Any) -> bool | None:
    """Ordering is for two numbers or two strings; anything else is null."""
    return left < right if _ordered(left, right) else None


def less_equal(left: Any, right: Any) -> bool | None:
    return left <= right if _ordered(left, right) else None


def _ordered(left: object, right: object) -> bool:
    if type(left) is str:
        return type(right) is str
    return type(left) in _NUMBERS and type(right) in _NUMBERS


def flatten(items: list[Any]) -> list[Any]:
    merged: list[Any] = []
    for item in items:
        if type(item) is list:
            merged.extend(item)  # pyright: ignore[reportUnknownArgumentType] - JSON
        else:
            merged.append(item)
    return merged


def _abs(value: Any) -> Any:
    _need("abs", value, "number")
    return abs(value)


def _avg(values: Any) -> Any:
    _need_items("avg", values, "number")
    return sum(values) / len(values) if values else None


def _ceil(value: Any) -> int:
    _need("ceil", value, "number")
    return math.ceil(value)


def _contains(subject: Any, search: Any) -> bool:
    _need("contains", subject, "array", "string")
    if type(subject) is str:
        return type(search) is str and search in subject
    return any(equals(item, search) for item in subject)


def _ends_with(text: Any, suffix: Any) -> bool:
    _need("ends_with", text, "string")
    _need("ends_with", suffix, "string")
    return text.endswith(suffix)


def _floor(value: Any) -> int:
    _need("floor", value, "number")
    return math.floor(value)


def _join(separator: Any, values: Any) -> str:
    _need("join", separator, "string")
    _need_items("join", values, "string")
    return separator.join(values)


def _keys(value: Any) -> list[Any]:
    _need("keys", value, "object")
    return list(value)


def _length(value: Any) -> int:
    _need("length", value, "string", "array", "object")
    return len(value)


def _map(function: Function, values: Any) -> list[Any]:
    _need("map", function, "expression")
    _need("map", values, "array")
    return [function(value) for value in values]


def _max(values: Any) -> Any:
    _need_items("max", values, "number", "string")
    return max(values, default=None)


def _min(values: Any) -> Any:
    _need_items("min", values, "number", "string")
    return min(values, default=None)


def _sort_keys(name: str, values: Any, function: Function) -> list[Any]:
    _need(name, values, "array")
    _need(name, function, "expression")
    keys = [function(value) for value in values]
    _need_items(name, keys, "number", "string")
    return keys


def _max_by(values: Any, function: Function) -> Any:
    keys = _sort_keys("max_by", values, function)
    return values[keys.index(max(keys))] if keys else None


def _min_by(values: Any, function: Function) -> Any:
    keys = _sort_keys("min_by", values, function)
    return values[keys.index(min(keys))] if keys else None


def _sort_by(values: Any, function: Function) -> list[Any]:
    keys = _sort_keys("sort_by", values, function)
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return [values[index] for index in order]


def _merge(first: Any, *others: Any) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for value in (first, *others):
        _need("merge", value, "object")
        merged.update(value)
    return merged


def _not_null(first: Any, *others: Any) -> Any:
    if first is not None:
        return first
    return next((value for value in others if value is not None), None)


def _reverse(value: Any) -> Any:
    _need("reverse", value, "string", "array")
    return value[::-1]


def _sort(values: Any) -> list[Any]:
    _need_items("sort", values, "string", "number")
    return sorted(values)


def _starts_with(text: Any, prefix: Any) -> bool:
    _need("starts_with", text, "string")
    _need("starts_with", prefix, "string")
    return text.startswith(prefix)


def _sum(values: Any) -> Any:
    _need_items("sum", values, "number")
    return sum(values)


def _to_array(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType] - JSON


def _to_number(value: Any) -> Any:
    if type(value) in _NUMBERS:
        return value
    if type(value) is not str:
        return None
    for parse in (int, float):
        try:
            return parse(value)
        except ValueError:
            continue
    return None


def _to_string(value: Any) -> str:
    if type(value) is str:
        return value
    try:
        return write_json(value).decode()
    except TypeError as error:
        raise ExpressionError("to_string() met a value that is nested too deeply") from error


def _values(value: Any) -> list[Any]:
    _need("values", value, "object")
    return list(value.values())


BUILTINS: Final[Mapping[str, Function]] = {
    "abs": _abs,
    "avg": _avg,
    "ceil": _ceil,
    "contains": _contains,
    "ends_with": _ends_with,
    "floor": _floor,
    "join": _join,
    "keys": _keys,
    "length": _length,
    "map": _map,
    "max": _max,
    "max_by": _max_by,
    "merge": _merge,
    "min": _min,
    "min_by": _min_by,
    "not_null": _not_null,
    "reverse": _reverse,
    "sort": _sort,
    "sort_by": _sort_by,
    "starts_with": _starts_with,
    "sum": _sum,
    "to_array": _to_array,
    "to_number": _to_number,
    "to_string": _to_string,
    "type": type_name,
    "values": _values,
}
