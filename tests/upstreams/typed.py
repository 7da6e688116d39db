"""Request bodies against the official SDKs' own types, with nothing let through.

The SDKs type their parameters for people who write Python; on the wire only JSON counts. So a lazy
iterable becomes a list, files become impossible, an unknown key is an error, and no value is bent
into another type.
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, SchemaValidator


class BadBodyError(Exception):
    """A request body that the real API would refuse; `param` is the path of the wrong field."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(f"{param}: {message}")
        self.param = param
        self.message = message


class Checker:
    """Checks bodies against one TypedDict, model or union of an SDK."""

    def __init__(self, sdk_type: Any) -> None:
        config = None if isinstance(sdk_type, type) else ConfigDict(arbitrary_types_allowed=True)
        adapter: TypeAdapter[Any] = TypeAdapter(sdk_type, config=config)
        adapter.rebuild()
        schema = _strict(adapter.core_schema)
        self._validate = SchemaValidator(schema, {"val_json_bytes": "base64"}).validate_json

    def check(self, raw: bytes) -> None:
        """Raises BadBodyError for the likeliest of all findings."""
        try:
            self._validate(raw, strict=True)
        except ValidationError as error:
            found = _likeliest(error.errors(include_url=False, include_context=False))
            steps = [str(step) for step in found["loc"]]
            fields = [step for step in steps if not step[0].isupper() and "[" not in step]
            raise BadBodyError(".".join(fields), found["msg"]) from None


def _likeliest(errors: list[ErrorDetails]) -> ErrorDetails:
    """Unions complain once per member: a member whose tag is another was not meant, and of the
    rest the one that fits furthest was."""
    others = {
        found["loc"][:-1]
        for found in errors
        if found["type"] == "literal_error" and found["loc"][-1] in ("type", "role")
    }
    meant = [
        found
        for found in errors
        if not any(found["loc"][: len(other)] == other for other in others)
    ]
    return max(meant or errors, key=lambda found: len(found["loc"]))


def _strict(schema: Any) -> Any:
    """The core schema with unknown keys refused and nothing checked lazily.

    Models give way to their fields and enums to their values, since both bring validation of their
    class's own, which is lenient.
    """
    if isinstance(schema, (list, tuple)):
        return [_strict(item) for item in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    node = cast("dict[str, Any]", schema)
    match node.get("type"):
        case "enum":
            return {"type": "literal", "expected": [member.value for member in node["members"]]}
        case "model" | "function-before":
            inner = _strict(node["schema"])
            return {**inner, "ref": node["ref"]} if "ref" in node else inner
        case "generator":
            node = {**node, "type": "list"}
        case "typed-dict":
            node = {**node, "extra_behavior": "forbid"}
        case "model-fields":
            both = {name: _by_both_names(name, field) for name, field in node["fields"].items()}
            node = {**node, "extra_behavior": "forbid", "fields": both}
        case _:
            pass
    return {key: _strict(value) for key, value in node.items()}


def _by_both_names(name: str, field: dict[str, Any]) -> dict[str, Any]:
    """Google's models: the API takes a field by its JSON name and by its protobuf name."""
    alias = field.get("validation_alias")
    return {**field, "validation_alias": [[alias], [name]]} if isinstance(alias, str) else field
