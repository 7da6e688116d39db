"""A fake Ollama server. The real one ignores keys it does not know; this one names them."""

from __future__ import annotations

from typing import Any, Final, Literal, Required

import orjson
from ollama import Options
from typing_extensions import TypedDict

from tests.upstreams.dialect import Frame, Received
from tests.upstreams.scenario import (
    Block,
    Call,
    Failure,
    RefusedError,
    Scenario,
    Thinking,
    Usage,
)
from tests.upstreams.seen import (
    Item,
    Seen,
    canonical,
    fields,
    media_type_of,
    members,
    merge,
    refuse,
)
from tests.upstreams.typed import BadBodyError, Checker
from tests.upstreams.vectors import check_keys, tokens_of, vector


class _CalledFunction(TypedDict, total=False):
    name: Required[str]
    arguments: Required[dict[str, Any]]


class _ToolCall(TypedDict, total=False):
    function: Required[_CalledFunction]


class _Message(TypedDict, total=False):
    role: Required[Literal["system", "user", "assistant", "tool"]]
    content: str
    thinking: str
    images: list[str]
    tool_calls: list[_ToolCall]
    tool_name: str


class _Function(TypedDict, total=False):
    name: Required[str]
    description: str
    parameters: Required[dict[str, Any]]


class _Tool(TypedDict, total=False):
    type: Required[Literal["function"]]
    function: Required[_Function]


class _Request(TypedDict, total=False):
    """`/api/chat`; the SDK types messages as anything, since it completes them itself."""

    model: Required[str]
    messages: Required[list[_Message]]
    tools: list[_Tool]
    think: bool | Literal["low", "medium", "high", "max"]
    format: Literal["", "json"] | dict[str, Any]
    options: Options
    keep_alive: float | str
    stream: bool
    logprobs: bool
    top_logprobs: int


_PARAMS: Final = Checker(_Request)
_CREATED: Final = "2026-11-24T10:00:00.000000Z"


def _embed(body: dict[str, Any]) -> dict[str, Any]:
    """https://docs.ollama.com/api/embed"""
    known = ("model", "input", "truncate", "dimensions", "options", "keep_alive")
    check_keys(body, *known)
    given = body.get("input")
    inputs = [given] if isinstance(given, str) else members(given)
    if not all(isinstance(one, str) for one in inputs):
        raise refuse("invalid input type")
    return {
        "model": body["model"],
        "embeddings": [vector(one, body.get("dimensions")) for one in inputs],
        "total_duration": 14143917,
        "load_duration": 1019500,
        "prompt_eval_count": tokens_of(inputs),
    }


class Ollama:
    """Dialect `ollama`: streams unless told not to, knows no ids and asks for no key."""

    name = "ollama"
    stream_type = "application/x-ndjson"

    def authenticate(self, request: Received) -> None:
        if request.headers.get("authorization") == "Bearer bad-key":
            raise RefusedError(Failure(status=401, kind="authentication", message="unauthorized"))

    def answer_other(self, request: Received) -> dict[str, Any] | None:
        match (request.method, request.path):
            case ("GET", "/api/version"):
                return {"version": "0.13.0"}
            case ("GET", "/api/tags"):
                return {"models": [{"name": "text", "model": "text", "size": 1, "digest": "0"}]}
            case ("POST", "/api/chat"):
                return None
            case ("POST", "/api/embed"):
                return _embed(request.body)
            case ("POST", "/api/embeddings"):
                check_keys(request.body, "model", "prompt", "options", "keep_alive")
                return {"embedding": vector(request.body["prompt"])}
            case _:
                failure = Failure(status=404, kind="not_found", message="404 page not found")
                raise RefusedError(failure)

    def read(self, request: Received) -> Seen:
        body = request.body
        try:
            _PARAMS.check(request.raw)
        except BadBodyError as error:
            message = f"json: cannot unmarshal {error.param}: {error.message}"
            raise refuse(message, param=error.param) from None
        options = fields(body.get("options"))
        tools = [tool["function"] for tool in members(body.get("tools"))]
        for tool in tools:
            if tool["parameters"].get("type") != "object":
                raise refuse("tools: parameters must be of type object")
        system, turns = _read_messages(body["messages"])
        wanted = body.get("format")
        think = body.get("think")
        return Seen(
            model=body["model"],
            stream=body.get("stream", True),
            system="\n".join(system),
            turns=merge(turns),
            tools=tuple(tool["name"] for tool in tools),
            schemas=tuple(canonical(tool["parameters"]) for tool in tools),
            schema=canonical(wanted) if isinstance(wanted, dict) else None,
            max_tokens=options.get("num_predict"),
            stop=tuple(members(options.get("stop"))),
            temperature=options.get("temperature"),
            effort=None if think is None else str(think).lower(),
        )

    def whole(self, seen: Seen, scenario: Scenario) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": ""}
        for block in scenario.blocks:
            match block:
                case Thinking():
                    if block.pieces:
                        message["thinking"] = message.get("thinking", "") + block.whole
                case Call():
                    message.setdefault("tool_calls", []).append(_call(seen, block))
                case _:
                    message["content"] += block.whole
        return {**_line(seen, message), **_ending(scenario)}

    def frames(self, seen: Seen, scenario: Scenario, request: Received) -> list[Frame]:
        frames = [
            Frame(_on_one_line(_line(seen, message)), content=True)
            for block in scenario.blocks
            for message in _messages(seen, block)
        ]
        last = {**_line(seen, {"role": "assistant", "content": ""}), **_ending(scenario)}
        return [*frames, Frame(_on_one_line(last))]

    def error(self, failure: Failure) -> tuple[int, dict[str, Any], dict[str, str]]:
        status = 503 if failure.status == 529 else failure.status
        delay = failure.retry_after_s
        return (
            status,
            {"error": failure.message},
            {} if delay is None else {"retry-after": str(delay)},
        )

    def error_frame(self, failure: Failure, position: int) -> bytes:
        return orjson.dumps({"error": failure.message}) + b"\n"

    def ping_frame(self) -> bytes:
        return b""


def _read_messages(
    messages: list[dict[str, Any]],
) -> tuple[list[str], list[tuple[str, list[Item]]]]:
    system: list[str] = []
    turns: list[tuple[str, list[Item]]] = []
    called: list[str] = []
    for message in messages:
        items: list[Item] = []
        if message.get("thinking"):
            items.append(("thinking", message["thinking"]))
        text = message.get("content", "")
        match message["role"]:
            case "system":
                system.append(text)
                continue
            case "tool":
                name = message.get("tool_name")
                if name not in called:
                    raise refuse(f"tool result of {name} answers no call")
                called.remove(name)
                turns.append(("user", [("result", name, text, "ok"), *_images(message)]))
                continue
            case role:
                if text:
                    items.append(("text", text))
        items += _images(message)
        if message.get("tool_calls") and role != "assistant":
            raise refuse("only the assistant calls tools")
        calls = [call["function"] for call in members(message.get("tool_calls"))]
        items += [("call", call["name"], canonical(call["arguments"])) for call in calls]
        called = [call["name"] for call in calls]
        turns.append((role, items))
    return system, turns


def _images(message: dict[str, Any]) -> list[Item]:
    return [("image", media_type_of(data), data) for data in members(message.get("images"))]


def _messages(seen: Seen, block: Block) -> list[dict[str, Any]]:
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    match block:
        case Call():
            return [{**message, "tool_calls": [_call(seen, block)]}]
        case Thinking():
            return [{**message, "thinking": piece} for piece in block.pieces]
        case _:
            return [{**message, "content": piece} for piece in block.pieces]


def _on_one_line(line: dict[str, Any]) -> bytes:
    """Go's encoder escapes the separators that some readers take for line ends."""
    return orjson.dumps(line).replace("\u2028".encode(), b"\\u2028") + b"\n"


def _call(seen: Seen, call: Call) -> dict[str, Any]:
    return {"function": {"name": seen.tools[call.tool], "arguments": dict(call.arguments)}}


def _line(seen: Seen, message: dict[str, Any]) -> dict[str, Any]:
    return {"model": seen.model, "created_at": _CREATED, "message": message, "done": False}


def _ending(scenario: Scenario) -> dict[str, Any]:
    usage: Usage = scenario.usage
    return {
        "done": True,
        "done_reason": "length" if scenario.stop == "length" else "stop",
        "total_duration": 1_000_000,
        "load_duration": 1_000,
        "prompt_eval_count": usage.input,
        "prompt_eval_duration": 1_000,
        "eval_count": usage.output,
        "eval_duration": 1_000,
    }
