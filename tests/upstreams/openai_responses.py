"""A fake OpenAI Responses API."""

from __future__ import annotations

import itertools
from typing import Any, Final

import orjson
from openai.types.responses.input_token_count_params import InputTokenCountParams
from openai.types.responses.response_create_params import ResponseCreateParams

from tests.upstreams.dialect import Frame, Ids, Received, Signer, split_text
from tests.upstreams.openai_chat import (
    check_bearer,
    check_image_url,
    check_lengths,
    check_name,
    check_output_schema,
    check_parameters,
    check_path,
    check_ranges,
    openai_error,
    read_arguments,
)
from tests.upstreams.scenario import (
    Block,
    Call,
    Failure,
    Refused,
    Scenario,
    Text,
    Thinking,
    Usage,
)
from tests.upstreams.seen import Item, Seen, canonical, check_media, fields, members, merge, refuse
from tests.upstreams.typed import BadBodyError, Checker

_PARAMS: Final = Checker(ResponseCreateParams)
_COUNT_PARAMS: Final = Checker(InputTokenCountParams)
_CREATED: Final = 1_764_000_000
_PREFIXES: Final = {"message": "msg_", "function_call": "fc_", "reasoning": "rs_"}
_TRIGGER: Final[Item] = ("trigger",)
"""The model called `deaf` takes it for nothing."""
_NEEDS_REASONING: Final = "fc_after_rs_"
"""Marks a call that was made while reasoning: the reasoning must stand before it."""


def _checked(params: Checker, request: Received) -> None:
    try:
        params.check(request.raw)
    except BadBodyError as error:
        raise refuse(f"Invalid '{error.param}': {error.message}", param=error.param) from None


class OpenaiResponses:
    """Dialect `openai-responses`. Nothing is stored: reasoning comes back encrypted, or not."""

    name = "openai-responses"
    stream_type = "text/event-stream; charset=utf-8"

    def __init__(self) -> None:
        self._ids = Ids()
        self._signer = Signer()

    def authenticate(self, request: Received) -> None:
        check_bearer(request)

    def answer_other(self, request: Received) -> dict[str, Any] | None:
        if request.path == "/v1/responses/input_tokens":
            _checked(_COUNT_PARAMS, request)
            return {"object": "response.input_tokens", "input_tokens": 14}
        check_path(request, "/v1/responses")
        return None

    def read(self, request: Received) -> Seen:
        body = request.body
        _checked(_PARAMS, request)
        _check_options(body)
        given = members(body.get("input"))
        if isinstance(given, str):
            given = [{"role": "user", "content": given}]
        system, turns = self._read_input(given)
        if body.get("instructions"):
            system.insert(0, body["instructions"])
        tools = [tool for tool in members(body.get("tools")) if tool["type"] == "function"]
        output_format = fields(fields(body.get("text")).get("format"))
        wanted = output_format.get("type") == "json_schema"
        return Seen(
            model=body["model"],
            stream=bool(body.get("stream")),
            system="\n".join(system),
            turns=merge(turns),
            tools=tuple(tool["name"] for tool in tools),
            schemas=tuple(canonical(tool.get("parameters")) for tool in tools),
            tool_choice=_choice(body.get("tool_choice")),
            schema=canonical(output_format["schema"]) if wanted else None,
            max_tokens=body.get("max_output_tokens"),
            temperature=body.get("temperature"),
            effort=fields(body.get("reasoning")).get("effort"),
        )

    def whole(self, seen: Seen, scenario: Scenario) -> dict[str, Any]:
        output = [self._item(seen, scenario, block) for block in scenario.blocks]
        asked = seen.turns[-1].items[-1] if seen.turns else None
        if asked == _TRIGGER and seen.model != "deaf":
            output = [{"id": "cmp_1", "type": "compaction", "encrypted_content": "theirs"}]
        return self._response(seen, scenario, output)

    def frames(self, seen: Seen, scenario: Scenario, request: Received) -> list[Frame]:
        response = self.whole(seen, scenario)
        output: list[dict[str, Any]] = response["output"]
        number = itertools.count()

        def event(kind: str, **fields: Any) -> Frame:
            data = orjson.dumps({"type": kind, "sequence_number": next(number), **fields})
            frame = b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"
            return Frame(frame, content=kind.endswith(".delta"))

        begun: dict[str, Any] = {**response, "status": "in_progress", "output": [], "usage": None}
        begun |= {"completed_at": None, "incomplete_details": None}
        frames = [event("response.created", response=begun)]
        frames.append(event("response.in_progress", response=begun))
        for index, item in enumerate(output):
            where = {"item_id": item["id"], "output_index": index}
            opened = _opened(item)
            frames.append(event("response.output_item.added", output_index=index, item=opened))
            for kind, more in _fill(item, scenario.blocks[index]):
                frames.append(event(kind, **where, **more))
            frames.append(event("response.output_item.done", output_index=index, item=item))
        end = "response.completed" if response["status"] == "completed" else "response.incomplete"
        return [*frames, event(end, response=response)]

    def error(self, failure: Failure) -> tuple[int, dict[str, Any], dict[str, str]]:
        return openai_error(failure)

    def error_frame(self, failure: Failure, position: int) -> bytes:
        data = {
            "type": "error",
            "code": "server_error",
            "message": failure.message,
            "param": None,
            "sequence_number": position,
        }
        return b"event: error\ndata: " + orjson.dumps(data) + b"\n\n"

    def ping_frame(self) -> bytes:
        return b": ping\n\n"

    def _response(
        self, seen: Seen, scenario: Scenario, output: list[dict[str, Any]]
    ) -> dict[str, Any]:
        cut_off = scenario.stop == "length"
        return {
            "id": self._ids.new("resp_"),
            "object": "response",
            "created_at": _CREATED,
            "completed_at": None if cut_off else _CREATED + 1,
            "status": "incomplete" if cut_off else "completed",
            "background": False,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if cut_off else None,
            "instructions": seen.system or None,
            "max_output_tokens": seen.max_tokens,
            "metadata": {},
            "model": seen.model,
            "output": output,
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "reasoning": {"effort": seen.effort, "summary": None},
            "service_tier": "default",
            "store": False,
            "temperature": seen.temperature or 1.0,
            "text": {"format": {"type": "text"}, "verbosity": "medium"},
            "tool_choice": "auto",
            "tools": [],
            "top_logprobs": 0,
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": _usage(scenario.usage),
            "user": None,
        }

    def _item(self, seen: Seen, scenario: Scenario, block: Block) -> dict[str, Any]:
        match block:
            case Thinking():
                summary = [{"type": "summary_text", "text": block.whole}] if block.pieces else []
                return {
                    "id": self._ids.new("rs_"),
                    "type": "reasoning",
                    "summary": summary,
                    "encrypted_content": self._signer.sign("reasoning", block.whole),
                }
            case Call():
                thought = any(isinstance(other, Thinking) for other in scenario.blocks)
                return {
                    "id": self._ids.new(_NEEDS_REASONING if thought else "fc_"),
                    "type": "function_call",
                    "status": "completed",
                    "call_id": self._ids.new("call_"),
                    "name": seen.tools[block.tool],
                    "arguments": orjson.dumps(block.arguments).decode(),
                }
            case Refused():
                content: dict[str, Any] = {"type": "refusal", "refusal": block.whole}
            case _:
                text = {"type": "output_text", "text": block.whole}
                content = {**text, "annotations": [], "logprobs": []}
        return {
            "id": self._ids.new("msg_"),
            "type": "message",
            "status": "incomplete" if scenario.stop == "length" else "completed",
            "role": "assistant",
            "content": [content],
        }

    def _read_input(
        self, given: list[dict[str, Any]]
    ) -> tuple[list[str], list[tuple[str, list[Item]]]]:
        if not given:
            raise refuse("Missing required parameter: 'input'.", param="input")
        system: list[str] = []
        turns: list[tuple[str, list[Item]]] = []
        names: dict[str, str] = {}
        results: set[str] = set()
        before = ""
        for at, item in enumerate(given):
            kind = item.get("type", "message")
            _check_id(item, kind, at)
            if kind == "function_call":
                if str(item.get("id", "")).startswith(_NEEDS_REASONING) and not before:
                    raise refuse(
                        f"Item '{item['id']}' of type 'function_call' was provided without its "
                        "required 'reasoning' item."
                    )
                turns.append(("assistant", [_read_call(item, names)]))
                continue
            if kind == "function_call_output":
                call_id = item.get("call_id")
                if call_id not in names or call_id in results:
                    raise refuse(
                        f"No tool call found for function call output with call_id {call_id}."
                    )
                results.add(call_id)
                turns.append(("user", [("result", names[call_id], _output(item["output"]), "ok")]))
                before = ""
                continue
            before = str(item.get("id", "")) if kind == "reasoning" else ""
            if kind == "compaction_trigger":
                turns.append(("user", [_TRIGGER]))
            elif kind == "reasoning":
                turns.append(("assistant", [self._read_reasoning(item)]))
            elif kind != "message":
                raise refuse(f"Invalid value: '{kind}'.", param=f"input[{at}]")
            elif item["role"] in ("system", "developer"):
                system.append("".join(part[1] for part in _read_content(item)))
            else:
                turns.append((item["role"], _read_content(item)))
        missing = names.keys() - results
        if missing:
            raise refuse(f"No tool output found for function call {', '.join(sorted(missing))}.")
        return system, turns

    def _read_reasoning(self, item: dict[str, Any]) -> Item:
        text = "".join(part["text"] for part in item["summary"])
        encrypted = item.get("encrypted_content")
        if not encrypted:
            raise refuse(f"Item with id '{item['id']}' not found. Items are not persisted here.")
        if not self._signer.is_mine(encrypted, "reasoning", text):
            raise refuse("The encrypted content could not be verified.")
        return ("thinking", text)


def _check_id(item: dict[str, Any], kind: str, at: int) -> None:
    prefix = _PREFIXES.get(kind)
    given = item.get("id")
    if prefix and given is not None and not given.startswith(prefix):
        raise refuse(
            f"Invalid 'input[{at}].id': '{given}'. Expected an ID beginning with '{prefix[:-1]}'.",
            param=f"input[{at}].id",
        )


def _check_options(body: dict[str, Any]) -> None:
    if not body.get("model"):
        raise refuse("Missing required parameter: 'model'.", param="model")
    check_lengths(body)
    check_ranges(body, {"temperature": (0, 2), "top_p": (0, 1), "max_output_tokens": (16, 1 << 20)})
    for field in ("previous_response_id", "conversation"):
        if body.get(field) is not None:
            raise refuse(f"'{field}' not found.", param=field)
    tools = members(body.get("tools"))
    for tool in tools:
        if tool["type"] == "function":
            check_parameters(tool)
    choice = body.get("tool_choice")
    if choice == "required" and not tools:
        raise refuse("Tool choice 'required' must be specified with 'tools' parameter.")
    names = [tool.get("name") for tool in tools]
    if isinstance(choice, dict) and choice["type"] == "function" and choice["name"] not in names:
        raise refuse("Tool choice 'function' not found in 'tools' parameter.", param="tool_choice")
    if body.get("stream_options") is not None and not body.get("stream"):
        raise refuse("'stream_options' is only allowed when 'stream' is enabled.")
    output_format = fields(fields(body.get("text")).get("format"))
    if output_format.get("type") == "json_schema":
        check_output_schema(output_format)
    if output_format.get("type") == "json_object" and "json" not in str(body["input"]).lower():
        raise refuse("'input' must contain the word 'json' to use 'json_object'.")
    if len(members(body.get("metadata"))) > 16:
        raise refuse("Invalid 'metadata': too many properties.", param="metadata")


def _read_call(item: dict[str, Any], names: dict[str, str]) -> Item:
    check_name(item["name"], "input[].name")
    if not 1 <= len(item["call_id"]) <= 64:
        raise refuse("Invalid 'call_id': string too long. Expected at most 64.")
    if item["call_id"] in names:
        raise refuse(f"Duplicate call_id '{item['call_id']}'.")
    names[item["call_id"]] = item["name"]
    return ("call", item["name"], canonical(read_arguments(item["arguments"])))


def _output(output: Any) -> str:
    if isinstance(output, str):
        return output
    shown = [
        part["text"] if part["type"] == "input_text" else "|".join(_part(part, "user"))
        for part in output
    ]
    return "".join(shown)


def _read_content(item: dict[str, Any]) -> list[Item]:
    content = item["content"]
    if isinstance(content, str):
        return [("text", content)] if content else []
    return [_part(part, item["role"]) for part in content]


def _part(part: dict[str, Any], role: str) -> Item:
    kind = part["type"]
    if (role == "assistant") != kind.startswith(("output_", "refusal")):
        raise refuse(f"Invalid value: '{kind}' in a message of the {role}.", param="input")
    match kind:
        case "input_text" | "output_text":
            return ("text", part["text"])
        case "input_image" if part.get("image_url"):
            return check_image_url(part["image_url"])
        case "input_file" if part.get("file_data"):
            head, _, data = part["file_data"].partition(";base64,")
            if not part.get("filename"):
                raise refuse("Missing required parameter: 'filename'.")
            check_media(head.removeprefix("data:"), data)
            return ("document", head.removeprefix("data:"), data)
        case "input_file" if part.get("file_url"):
            return ("document", part["file_url"], "")
        case "refusal":
            return ("text", part["refusal"])
        case _:
            return (kind,)


def _choice(choice: Any) -> str:
    if choice is None or isinstance(choice, str):
        return choice or "auto"
    return str(choice.get("name", choice["type"]))


def _opened(item: dict[str, Any]) -> dict[str, Any]:
    match item["type"]:
        case "message":
            return {**item, "status": "in_progress", "content": []}
        case "function_call":
            return {**item, "status": "in_progress", "arguments": ""}
        case _:
            return {**item, "summary": []}


def _fill(item: dict[str, Any], block: Block) -> list[tuple[str, dict[str, Any]]]:
    """The events between an item's `added` and its `done`."""
    match block:
        case Call():
            text = item["arguments"]
            kind = "response.function_call_arguments"
            deltas = [(f"{kind}.delta", {"delta": piece}) for piece in split_text(text)]
            return [*deltas, (f"{kind}.done", {"arguments": text, "name": item["name"]})]
        case Thinking():
            if not block.pieces:
                return []
            at: dict[str, Any] = {"summary_index": 0}
            part = {"type": "summary_text", "text": block.whole}
            kind = "response.reasoning_summary"
            deltas = [(f"{kind}_text.delta", {**at, "delta": piece}) for piece in block.pieces]
            return [
                (f"{kind}_part.added", {**at, "part": {**part, "text": ""}}),
                *deltas,
                (f"{kind}_text.done", {**at, "text": block.whole}),
                (f"{kind}_part.done", {**at, "part": part}),
            ]
        case Refused():
            at, kind, field = {"content_index": 0}, "response.refusal", "refusal"
            more = {}
        case Text():
            at, kind, field = {"content_index": 0}, "response.output_text", "text"
            more: dict[str, Any] = {"logprobs": []}
    part = item["content"][0]
    return [
        ("response.content_part.added", {**at, "part": {**part, field: ""}}),
        *((f"{kind}.delta", {**at, "delta": piece, **more}) for piece in block.pieces),
        (f"{kind}.done", {**at, field: block.whole, **more}),
        ("response.content_part.done", {**at, "part": part}),
    ]


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }
