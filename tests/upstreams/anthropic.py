"""A fake Anthropic Messages API."""

from __future__ import annotations

import re
from typing import Any, Final, cast

import orjson
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParams

from tests.upstreams.dialect import Frame, Ids, Received, Signer, split_text
from tests.upstreams.scenario import (
    STOP_SEQUENCE,
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
    check_closed,
    check_media,
    fields,
    members,
    merge,
    refuse,
)
from tests.upstreams.typed import BadBodyError, Checker

_PARAMS: Final = Checker(MessageCreateParams)
_COUNT_PARAMS: Final = Checker(MessageCountTokensParams)
_VERSIONS: Final = ("2023-06-01", "2026-10-21")
_NAME: Final = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
_ID: Final = re.compile(r"^[a-zA-Z0-9_-]+$")
_SAMPLING: Final = {"temperature": (0.0, 1.0), "top_p": (0.0, 1.0), "top_k": (0, 500)}
_STOP: Final = {
    "end": "end_turn",
    "length": "max_tokens",
    "tool": "tool_use",
    "refusal": "refusal",
    "stop_sequence": "stop_sequence",
}
_ERRORS: Final = {
    "authentication": "authentication_error",
    "permission": "permission_error",
    "not_found": "not_found_error",
    "too_large": "request_too_large",
    "rate_limit": "rate_limit_error",
    "upstream": "api_error",
    "unavailable": "api_error",
    "overloaded": "overloaded_error",
}


class Anthropic:
    """Dialect `anthropic`. The SDK no longer types temperature, top_p and top_k, since the newest
    models refuse them; the older models that take them are who answers here."""

    name = "anthropic"
    stream_type = "text/event-stream; charset=utf-8"

    def __init__(self) -> None:
        self._ids = Ids()
        self._signer = Signer()

    def authenticate(self, request: Received) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        key = request.headers.get("x-api-key") or (token if scheme == "Bearer" else "")
        if not key or key == "bad-key":
            failure = Failure(status=401, kind="authentication", message="invalid x-api-key")
            raise RefusedError(failure)

    def answer_other(self, request: Received) -> dict[str, Any] | None:
        if request.headers.get("anthropic-version") not in _VERSIONS:
            raise refuse("anthropic-version: header is required")
        if request.path == "/v1/messages/count_tokens":
            _check_typed(_COUNT_PARAMS, request.raw)
            return {"input_tokens": 14}
        if request.path != "/v1/messages" or request.method != "POST":
            raise RefusedError(Failure(status=404, kind="not_found", message="Not Found"))
        return None

    def read(self, request: Received) -> Seen:
        body = dict(request.body)
        sampling = {key: body.pop(key) for key in _SAMPLING if key in body}
        _check_typed(_PARAMS, orjson.dumps(body))
        _check_sampling(sampling, body)
        _check_options(body)
        system = body.get("system") or ""
        if not isinstance(system, str):
            system = "\n".join(block["text"] for block in system)
        turns: list[tuple[str, list[Item]]] = []
        names: dict[str, str] = {}
        for message in _merged(body["messages"]):
            if message["role"] == "system":
                system += "\n" + "".join(item[1] for item in self._items(message, names))
            else:
                turns.append((message["role"], self._items(message, names)))
        self._check_turns(body)
        tools = members(body.get("tools"))
        config = fields(body.get("output_config"))
        thinking = fields(body.get("thinking"))
        wanted = config.get("format")
        return Seen(
            model=body["model"],
            stream=bool(body.get("stream")),
            system=system.removeprefix("\n"),
            turns=merge(turns),
            tools=tuple(tool["name"] for tool in tools),
            schemas=tuple(canonical(tool.get("input_schema")) for tool in tools),
            tool_choice=_choice(body.get("tool_choice")),
            schema=canonical(wanted["schema"]) if wanted else None,
            max_tokens=body["max_tokens"],
            stop=tuple(members(body.get("stop_sequences"))),
            temperature=sampling.get("temperature"),
            effort=config.get("effort") or str(thinking.get("budget_tokens") or "") or None,
        )

    def whole(self, seen: Seen, scenario: Scenario) -> dict[str, Any]:
        content = [self._block(seen, block) for block in scenario.blocks]
        return {
            "id": self._ids.new("msg_"),
            "type": "message",
            "role": "assistant",
            "model": seen.model,
            "content": content,
            "container": None,
            **_ending(scenario),
            "usage": _usage(scenario.usage),
        }

    def frames(self, seen: Seen, scenario: Scenario, request: Received) -> list[Frame]:
        message = self.whole(seen, scenario)
        content: list[dict[str, Any]] = message["content"]
        started: dict[str, Any] = {
            **message,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**message["usage"], "output_tokens": 1},
        }
        started.pop("stop_details", None)
        frames = [_event("message_start", message=started)]
        for index, block in enumerate(content):
            start, deltas = _streamed(block, scenario.blocks[index])
            frames.append(_event("content_block_start", index=index, content_block=start))
            if index == 0:
                frames.append(_event("ping"))
            frames += [_event("content_block_delta", index=index, delta=delta) for delta in deltas]
            frames.append(_event("content_block_stop", index=index))
        usage = {"output_tokens": scenario.usage.output}
        if scenario.usage.reasoning:
            usage["output_tokens_details"] = message["usage"]["output_tokens_details"]
        delta = _event("message_delta", delta=_ending(scenario), usage=usage)
        return [*frames, delta, _event("message_stop")]

    def error(self, failure: Failure) -> tuple[int, dict[str, Any], dict[str, str]]:
        kind = _ERRORS.get(failure.kind, "invalid_request_error")
        headers = {"request-id": "req_tests"}
        if failure.retry_after_s is not None:
            headers["retry-after"] = str(failure.retry_after_s)
        error = {"type": kind, "message": failure.message}
        return failure.status, {"type": "error", "error": error, "request_id": "req_tests"}, headers

    def error_frame(self, failure: Failure, position: int) -> bytes:
        kind = _ERRORS.get(failure.kind, "invalid_request_error")
        return _event("error", error={"type": kind, "message": failure.message}).data

    def ping_frame(self) -> bytes:
        return _event("ping").data

    def _block(self, seen: Seen, block: Block) -> dict[str, Any]:
        match block:
            case Thinking() if block.redacted:
                return {"type": "redacted_thinking", "data": self._signer.sign("redacted")}
            case Thinking():
                signature = self._signer.sign("thinking", block.whole)
                return {"type": "thinking", "thinking": block.whole, "signature": signature}
            case Call():
                return {
                    "type": "tool_use",
                    "id": self._ids.new("toolu_"),
                    "name": seen.tools[block.tool],
                    "input": dict(block.arguments),
                }
            case _:
                return {"type": "text", "text": block.whole, "citations": None}

    def _items(self, message: dict[str, Any], names: dict[str, str]) -> list[Item]:
        content = message["content"]
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        return [self._item(block, names) for block in content]

    def _item(self, block: dict[str, Any], names: dict[str, str]) -> Item:
        match block["type"]:
            case "text":
                if not block["text"].strip():
                    raise refuse("messages: text content blocks must contain non-whitespace text")
                return ("text", block["text"])
            case "image" | "document" as kind:
                return _media(kind, block["source"])
            case "thinking":
                if not self._signer.is_mine(block["signature"], "thinking", block["thinking"]):
                    raise refuse("Invalid `signature` in `thinking` block")
                return ("thinking", block["thinking"])
            case "redacted_thinking":
                if not self._signer.is_mine(block["data"], "redacted"):
                    raise refuse("Invalid `data` in `redacted_thinking` block")
                return ("redacted",)
            case "tool_use":
                _check_name(block["name"])
                if not _ID.match(block["id"]):
                    raise refuse(f"tool_use.id: String should match pattern '{_ID.pattern}'")
                if block["id"] in names:
                    raise refuse("messages: `tool_use` ids must be unique")
                names[block["id"]] = block["name"]
                return ("call", block["name"], canonical(block["input"]))
            case "tool_result":
                name = names.get(block["tool_use_id"])
                if name is None:
                    raise refuse(f"unexpected `tool_use_id`: {block['tool_use_id']}")
                return _result(name, block)
            case kind:
                return (kind,)

    def _check_turns(self, body: dict[str, Any]) -> None:
        messages = [turn for turn in _merged(body["messages"]) if turn["role"] != "system"]
        if not messages or messages[0]["role"] != "user":
            raise refuse('messages: first message must use the "user" role')
        for message, following in zip(messages, [*messages[1:], None], strict=True):
            blocks = _blocks(message)
            if not blocks and following is not None:
                raise refuse("all messages must have non-empty content except for the final one")
            _check_results(blocks, _blocks(following) if following else [])
        if messages[0]["role"] == "user":
            for block in _blocks(messages[0]):
                if block["type"] == "tool_result":
                    raise refuse(f"unexpected `tool_use_id`: {block['tool_use_id']}")
        thinks = fields(body.get("thinking")).get("type") == "enabled"
        in_loop = any(block["type"] == "tool_result" for block in _blocks(messages[-1]))
        if thinks and in_loop and len(messages) > 1:
            first = _blocks(messages[-2])[0]["type"]
            if first not in ("thinking", "redacted_thinking"):
                raise refuse(
                    "Expected `thinking` or `redacted_thinking`, but found "
                    f"`{first}`. When `thinking` is enabled, a final `assistant` message must "
                    "start with a thinking block."
                )


def _check_typed(checker: Checker, raw: bytes) -> None:
    try:
        checker.check(raw)
    except BadBodyError as error:
        raise refuse(f"{error.param}: {error.message}", param=error.param) from None


def _check_sampling(sampling: dict[str, Any], body: dict[str, Any]) -> None:
    for field, value in sampling.items():
        low, high = _SAMPLING[field]
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not low <= value <= high
        ):
            raise refuse(f"{field}: must be a number from {low} to {high}")
    thinks = fields(body.get("thinking")).get("type") == "enabled"
    if thinks and sampling.get("temperature", 1) != 1:
        raise refuse("`temperature` may only be set to 1 when thinking is enabled.")
    if thinks and "top_k" in sampling:
        raise refuse("`top_k` must be unset when thinking is enabled.")


def _check_options(body: dict[str, Any]) -> None:
    if not body["messages"]:
        raise refuse("messages: at least one message is required")
    if body["max_tokens"] < 0:
        raise refuse("max_tokens: must be greater than or equal to 0")
    thinking = fields(body.get("thinking"))
    choice = fields(body.get("tool_choice"))
    if thinking.get("type") == "enabled":
        if thinking["budget_tokens"] < 1024:
            raise refuse("thinking.enabled.budget_tokens: should be at least 1024")
        if thinking["budget_tokens"] >= body["max_tokens"]:
            raise refuse("`max_tokens` must be greater than `thinking.budget_tokens`.")
        if choice.get("type") in ("any", "tool"):
            raise refuse("Thinking may not be enabled when tool_choice forces tool use.")
    tools = members(body.get("tools"))
    for tool in tools:
        _check_name(tool["name"])
        if tool.get("strict"):
            check_closed(tool["input_schema"], f"tool {tool['name']}")
    if len({tool["name"] for tool in tools}) != len(tools):
        raise refuse("tools: Tool names must be unique.")
    if choice and choice["type"] != "none" and not tools:
        raise refuse("tool_choice may only be specified while providing tools")
    if choice.get("type") == "tool" and choice["name"] not in [tool["name"] for tool in tools]:
        raise refuse(f"Tool '{choice['name']}' not found in provided tools")
    for sequence in members(body.get("stop_sequences")):
        if not sequence.strip():
            raise refuse("stop_sequences: each stop sequence must contain non-whitespace")
    wanted = fields(body.get("output_config")).get("format")
    if wanted:
        check_closed(wanted["schema"], "output_config.format")
    if _count_marks({**body, "tools": [_without_schema(tool) for tool in tools]}) > 4:
        raise refuse("A maximum of 4 blocks with cache_control may be provided.")


def _without_schema(tool: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in tool.items() if key != "input_schema"}


def _count_marks(value: Any) -> int:
    if isinstance(value, dict):
        node = cast("dict[str, Any]", value)
        own = 1 if node.get("cache_control") else 0
        return own + _count_marks(list(node.values()))
    if isinstance(value, list):
        return sum(_count_marks(item) for item in cast("list[Any]", value))
    return 0


def _check_name(name: str) -> None:
    if not _NAME.match(name):
        raise refuse(f"name: String should match pattern '{_NAME.pattern}'")


def _merged(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    merged: list[dict[str, Any]] = []
    for message in messages:
        if merged and merged[-1]["role"] == message["role"]:
            merged[-1]["content"] = [*merged[-1]["content"], *_blocks(message)]
        else:
            merged.append({"role": message["role"], "content": list(_blocks(message))})
    return merged


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content


def _check_results(blocks: list[dict[str, Any]], following: list[dict[str, Any]]) -> None:
    """Calls are answered at once, all of them, before anything else is said."""
    calls = {block["id"] for block in blocks if block["type"] == "tool_use"}
    results = [block["tool_use_id"] for block in following if block["type"] == "tool_result"]
    if calls - set(results):
        raise refuse(
            "`tool_use` ids were found without `tool_result` blocks immediately after: "
            + ", ".join(sorted(calls - set(results)))
        )
    if set(results) - calls:
        raise refuse("unexpected `tool_use_id` found in `tool_result` blocks")
    if len(set(results)) != len(results):
        raise refuse("each `tool_use` must have a single result")
    if any(block["type"] != "tool_result" for block in following[: len(results)]):
        raise refuse("`tool_result` blocks must come first in their message")


def _media(kind: str, source: dict[str, Any]) -> Item:
    match source["type"]:
        case "base64":
            check_media(source["media_type"], source["data"])
            return (kind, source["media_type"], source["data"])
        case "url":
            return (kind, source["url"], "")
        case _:
            return (kind, source["type"], str(source.get("data", "")))


def _result(name: str, block: dict[str, Any]) -> Item:
    content = block.get("content") or ""
    state = "error" if block.get("is_error") else "ok"
    if isinstance(content, str):
        return ("result", name, content, state)
    texts: list[str] = []
    for part in content:
        if part["type"] == "text":
            texts.append(part["text"])
        elif part["type"] in ("image", "document"):
            texts.append("|".join(_media(part["type"], part["source"])))
    return ("result", name, "".join(texts), state)


def _choice(choice: dict[str, Any] | None) -> str:
    if choice is None:
        return "auto"
    return {"any": "required", "tool": choice.get("name", "")}.get(choice["type"], choice["type"])


def _streamed(
    block: dict[str, Any], scripted: Block
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The block as it is opened, and the deltas that fill it."""
    match block["type"]:
        case "text":
            assert not isinstance(scripted, Call)
            deltas = [{"type": "text_delta", "text": piece} for piece in scripted.pieces]
            return {**block, "text": ""}, deltas
        case "thinking":
            assert isinstance(scripted, Thinking)
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in scripted.pieces]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
            return {**block, "thinking": "", "signature": ""}, deltas
        case "tool_use":
            deltas = [{"type": "input_json_delta", "partial_json": ""}]
            if block["input"]:
                text = orjson.dumps(block["input"]).decode()
                deltas += [
                    {"type": "input_json_delta", "partial_json": piece}
                    for piece in split_text(text)
                ]
            return {**block, "input": {}}, deltas
        case _:
            return block, []


def _ending(scenario: Scenario) -> dict[str, Any]:
    ending: dict[str, Any] = {"stop_reason": _STOP[scenario.stop], "stop_sequence": None}
    if scenario.stop == "stop_sequence":
        ending["stop_sequence"] = STOP_SEQUENCE
    if scenario.stop == "refusal":
        ending["stop_details"] = {"type": "refusal", "category": None, "explanation": None}
    return ending


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input - usage.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
        "server_tool_use": None,
        "service_tier": "standard",
    }


def _event(kind: str, **fields: Any) -> Frame:
    data = orjson.dumps({"type": kind, **fields})
    frame = b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"
    return Frame(frame, content=kind == "content_block_delta")
