"""Formats whose clients may go on from an answer by its id: what that means for bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute.base.bigjson import write_json
from omniroute.errors import ExpressionError, TranslationError
from omniroute.translation.format import Format
from omniroute.translation.runtime import Context
from omniroute.translation.shape import is_array, is_object


class TableContinuing:
    """As a table's section `continuing` says. See `omniroute.translation.values.Continuing`."""

    def __init__(self, format: Format) -> None:
        names = format.constants("continuing")
        self.field: str = names["field"]
        self._note: str = names["note"]
        self._input: str = names["input"]
        self._functions = format.functions

    def previous(self, body: Mapping[str, Any]) -> str | None:
        value = body.get(self.field)
        return value if type(value) is str and value else None

    def expand(self, body: Mapping[str, Any], items: list[Any]) -> dict[str, Any]:
        expanded = {name: value for name, value in body.items() if name != self.field}
        expanded[self._input] = items + self._list("items", body)
        expanded[self._note] = body[self.field]
        return expanded

    def wanted(self, body: Mapping[str, Any]) -> bool:
        return self._functions["continuing.keep"](body, {"dropped": {}}) is True

    def items(self, body: Mapping[str, Any], answer: Mapping[str, Any]) -> list[Any]:
        return self._list("items", body) + self._list("output", answer)

    def whole(self, event: Any) -> dict[str, Any] | None:
        try:
            found = self._functions["continuing.whole"](event, {"dropped": {}})
        except (TranslationError, ExpressionError):
            return None
        return found if is_object(found) else None

    def _list(self, name: str, node: Mapping[str, Any]) -> list[Any]:
        found = self._functions[f"continuing.{name}"](node, {"dropped": {}})
        return list(found) if is_array(found) else []


def continuing_of(format: Format) -> TableContinuing | None:
    return TableContinuing(format) if format.constants("continuing") else None


def is_wanted(format: Format, ctx: Context) -> bool:
    """Whether the answer under way is to be kept."""
    keep = format.functions.get("continuing.keep")
    return keep is not None and keep(ctx["request"], ctx) is True


def whole_of(format: Format, event: Any, ctx: Context) -> bytes:
    """The whole answer that a stream's last event repeats; empty when it does not."""
    try:
        found = format.functions["continuing.whole"](event, ctx)
    except (TranslationError, ExpressionError):
        return b""
    return b"" if found is None else write_json(found)
