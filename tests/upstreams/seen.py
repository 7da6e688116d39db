"""A request as a fake provider understood it, in no format: what tests compare across formats."""

from __future__ import annotations

import base64
import binascii
from typing import Any, cast

import orjson
from msgspec import Struct

from tests.upstreams.scenario import Failure, RefusedError

Item = tuple[str, ...]
"""("text", text), ("image", type or url, base64), ("document", type or url, base64),
("call", name, arguments), ("result", name, text, "ok" or "error"), ("thinking", text),
("redacted",). Arguments are JSON with sorted keys."""


class Turn(Struct, frozen=True):
    """Neighbours of one role are one turn."""

    role: str
    items: tuple[Item, ...]


class Seen(Struct, frozen=True, kw_only=True):
    """`tool_choice` is auto, none, required or a tool's name; a schema is JSON with sorted keys."""

    model: str
    stream: bool
    system: str = ""
    turns: tuple[Turn, ...] = ()
    tools: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()
    """Of the tools' parameters."""
    tool_choice: str = "auto"
    schema: str | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    temperature: float | None = None
    effort: str | None = None
    """Of reasoning, in the format's own word or number."""

    @property
    def has_results(self) -> bool:
        """The last turn answers tool calls."""
        return bool(self.turns) and any(item[0] == "result" for item in self.turns[-1].items)


def refuse(message: str, *, param: str | None = None) -> RefusedError:
    """What every rule of a format raises when a request breaks it."""
    return RefusedError(Failure(status=400, kind="invalid_request", message=message, param=param))


def merge(turns: list[tuple[str, list[Item]]]) -> tuple[Turn, ...]:
    """Joins neighbours of one role, and their neighbouring texts: formats cut them differently."""
    merged: list[tuple[str, list[Item]]] = []
    for role, items in turns:
        if not merged or merged[-1][0] != role:
            merged.append((role, []))
        turn = merged[-1][1]
        for item in items:
            if turn and item[0] == turn[-1][0] and item[0] in ("text", "thinking"):
                turn[-1] = (item[0], turn[-1][1] + item[1])
            else:
                turn.append(item)
    return tuple(Turn(role, tuple(items)) for role, items in merged)


def fields(value: Any) -> dict[str, Any]:
    """An object that may be absent or null."""
    return value or {}


def members(value: Any) -> list[Any]:
    """A list that may be absent or null."""
    return value or []


def canonical(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


_MAGIC = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
    "application/pdf": b"%PDF-",
}


def check_media(media_type: str, data: str) -> None:
    """Base64 without blanks or prefix, of bytes that are what the type says."""
    try:
        raw = base64.b64decode(data, validate=True)
    except binascii.Error:
        raise refuse("media data is not valid base64") from None
    magic = _MAGIC.get(media_type)
    if magic is None:
        raise refuse(f"media type {media_type} is not supported")
    if not raw.startswith(magic):
        raise refuse(f"the media was declared as {media_type} but its bytes are not")


def media_type_of(data: str) -> str:
    """For a format that does not say it."""
    try:
        raw = base64.b64decode(data, validate=True)
    except binascii.Error:
        raise refuse("illegal base64 data at input byte 0") from None
    for media_type, magic in _MAGIC.items():
        if raw.startswith(magic):
            return media_type
    raise refuse("image: unknown format")


def check_closed(schema: Any, where: str) -> None:
    """Strict schemas allow no other properties and, at OpenAI, require all they name."""
    for node in _objects(schema):
        if node.get("additionalProperties") is not False:
            raise refuse(
                f"Invalid schema for {where}: 'additionalProperties' is required to be supplied "
                "and to be false.",
                param="schema",
            )


def check_all_required(schema: Any, where: str) -> None:
    for node in _objects(schema):
        if set(node.get("required", ())) != set(node.get("properties", {})):
            raise refuse(
                f"Invalid schema for {where}: 'required' is required to be supplied and to be an "
                "array including every key in properties.",
                param="schema",
            )


def _objects(schema: Any) -> list[dict[str, Any]]:
    """Every object schema within a schema."""
    found: list[dict[str, Any]] = []
    if isinstance(schema, dict):
        node = cast("dict[str, Any]", schema)
        if node.get("type") == "object":
            found.append(node)
        schema = list(node.values())
    if isinstance(schema, list):
        for value in cast("list[Any]", schema):
            found += _objects(value)
    return found
