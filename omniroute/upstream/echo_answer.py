"""What `echo` says to a chat request, as a pure function of the parsed body."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, cast

import orjson
from msgspec import Struct

_CHARS_PER_TOKEN: Final = 4
_MAX_DEPTH: Final = 8  # of a schema that is answered; deeper parts become null
_WORD: Final = re.compile(r"\s*\S+\s*?(?=\s|$)|\s+$")

Finish = Literal["stop", "length", "tool_calls"]


class EchoRefusal(Exception):  # noqa: N818 - an answer of a provider, not an error of ours
    """An error answer in the making; never leaves the transport."""

    def __init__(self, status: int, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param


class EchoAnswer(Struct, frozen=True, kw_only=True):
    """Either `text`, or the call of `tool` with `arguments` as JSON text."""

    text: str
    finish: Finish
    prompt_tokens: int
    completion_tokens: int
    tool: str | None = None
    arguments: str = ""

    def words(self) -> list[str]:
        """`text` in pieces of one word with the space before it; joined they are `text`."""
        return _WORD.findall(self.text)


def answer_chat(request: dict[str, Any]) -> EchoAnswer:
    """Raises EchoRefusal for a body without usable messages."""
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise EchoRefusal(400, "messages must be a non-empty array", "messages")
    texts: list[str] = []
    said = ""
    for message in cast(list[Any], messages):
        if not isinstance(message, dict):
            raise EchoRefusal(400, "a message must be an object", "messages")
        known = cast(dict[str, Any], message)
        texts.append(_text_of(known.get("content")))
        if known.get("role") == "user":
            said = texts[-1]
    prompt_tokens = sum(map(text_tokens, texts))
    forced = _forced_tool(request)
    if forced is not None:
        name, schema = forced
        arguments = orjson.dumps(_sample(schema, schema, 0)).decode()
        return EchoAnswer(
            text="",
            finish="tool_calls",
            prompt_tokens=prompt_tokens,
            completion_tokens=text_tokens(name) + text_tokens(arguments),
            tool=name,
            arguments=arguments,
        )
    text, finish = _shortened(_formatted(said, request.get("response_format")), request)
    return EchoAnswer(
        text=text, finish=finish, prompt_tokens=prompt_tokens, completion_tokens=text_tokens(text)
    )


def text_tokens(text: str) -> int:
    """The count that `echo` reports for a text."""
    return -(-len(text) // _CHARS_PER_TOKEN)


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = cast(list[Any], content) if isinstance(content, list) else []
    texts = [cast(dict[str, Any], part).get("text") for part in parts if isinstance(part, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _shortened(text: str, request: dict[str, Any]) -> tuple[str, Finish]:
    stop = request.get("stop")
    marks: list[Any] = cast(list[Any], stop) if isinstance(stop, list) else [stop]
    places = [text.find(mark) for mark in marks if isinstance(mark, str) and mark]
    text = text[: min((place for place in places if place >= 0), default=len(text))]
    for name in ("max_completion_tokens", "max_tokens"):
        limit = request.get(name)
        if isinstance(limit, int) and limit > 0:
            most = limit * _CHARS_PER_TOKEN
            return (text[:most], "length") if len(text) > most else (text, "stop")
    return text, "stop"


def _formatted(text: str, response_format: Any) -> str:
    if not isinstance(response_format, dict):
        return text
    wanted = cast(dict[str, Any], response_format)
    if wanted.get("type") == "json_object":
        return orjson.dumps({"echo": text}).decode()
    if wanted.get("type") == "json_schema" and isinstance(wanted.get("json_schema"), dict):
        schema = cast(dict[str, Any], wanted["json_schema"]).get("schema")
        return orjson.dumps(_sample(schema, schema, 0)).decode()
    return text


def _forced_tool(request: dict[str, Any]) -> tuple[str, Any] | None:
    """Name and parameter schema of the tool that `tool_choice` insists on, if it does."""
    choice = request.get("tool_choice")
    wanted: Any = None
    if isinstance(choice, dict):
        function = cast(dict[str, Any], choice).get("function")
        wanted = cast(dict[str, Any], function).get("name") if isinstance(function, dict) else None
    if choice != "required" and wanted is None:
        return None
    tools = request.get("tools")
    for tool in cast(list[Any], tools) if isinstance(tools, list) else []:
        function = cast(dict[str, Any], tool).get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict):
            continue
        known = cast(dict[str, Any], function)
        name = known.get("name")
        if isinstance(name, str) and wanted in (None, name):
            return name, known.get("parameters")
    raise EchoRefusal(400, "tool_choice asks for a tool that is not among tools", "tool_choice")


def _sample(schema: Any, root: Any, depth: int) -> Any:
    """A small value that satisfies `schema`, roughly: types, required, enum, const, minimum."""
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return {} if depth == 0 else None
    node = cast(dict[str, Any], schema)
    ref = node.get("$ref")
    if isinstance(ref, str):
        return _sample(_pointed(root, ref), root, depth + 1)
    for key in ("const", "default"):
        if key in node:
            return node[key]
    for key in ("enum", "examples"):
        values = node.get(key)
        if isinstance(values, list) and values:
            return cast(list[Any], values)[0]
    for key in ("anyOf", "oneOf", "allOf"):
        options = node.get(key)
        if isinstance(options, list) and options:
            return _sample(cast(list[Any], options)[0], root, depth + 1)
    return _sample_of_type(node, root, depth)


def _sample_of_type(node: dict[str, Any], root: Any, depth: int) -> Any:
    stated: object = node.get("type", "object" if depth == 0 or "properties" in node else None)
    kinds = cast(list[object], stated) if isinstance(stated, list) else [stated]
    kind = next(iter(kinds), None)
    match kind:
        case "object":
            properties = node.get("properties")
            known = cast(dict[str, Any], properties) if isinstance(properties, dict) else {}
            required = node.get("required")
            names = cast(list[Any], required) if isinstance(required, list) else []
            return {str(n): _sample(known.get(str(n)), root, depth + 1) for n in names}
        case "array":
            count = node.get("minItems")
            few = min(count, 16) if isinstance(count, int) else 0
            return [_sample(node.get("items"), root, depth + 1) for _ in range(few)]
        case "string":
            least = node.get("minLength")
            return "echo".ljust(min(least, 4096) if isinstance(least, int) else 0, "o")
        case "integer" | "number":
            least = node.get("minimum", 0)
            return least if isinstance(least, int | float) else 0
        case "boolean":
            return False
        case _:
            return None


def _pointed(root: Any, ref: str) -> Any:
    node = root
    for step in ref.removeprefix("#").strip("/").split("/"):
        if not isinstance(node, dict):
            return None
        node = cast(dict[str, Any], node).get(step) if step else cast(Any, node)
    return cast(Any, node)
