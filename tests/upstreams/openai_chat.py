"""A fake OpenAI Chat Completions API."""

from __future__ import annotations

import re
from typing import Any, Final

import orjson
from openai.types.chat.completion_create_params import CompletionCreateParams
from openai.types.embedding_create_params import EmbeddingCreateParams
from openai.types.image_generate_params import ImageGenerateParams

from tests.upstreams.dialect import Frame, Ids, Received, split_text
from tests.upstreams.pictures import picture
from tests.upstreams.scenario import (
    Call,
    Failure,
    Refused,
    RefusedError,
    Scenario,
    Text,
    Usage,
)
from tests.upstreams.seen import (
    Item,
    Seen,
    canonical,
    check_all_required,
    check_closed,
    check_media,
    fields,
    members,
    merge,
    refuse,
)
from tests.upstreams.typed import BadBodyError, Checker
from tests.upstreams.vectors import coded, openai_inputs, tokens_of, vector

_PARAMS: Final = Checker(CompletionCreateParams)
_EMBED_PARAMS: Final = Checker(EmbeddingCreateParams)
_IMAGE_PARAMS: Final = Checker(ImageGenerateParams)
_NAME: Final = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_DATA_URL: Final = re.compile(r"^data:(image/[a-z]+|application/pdf);base64,(.*)$", re.DOTALL)
_CREATED: Final = 1_764_000_000
_TYPES: Final = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    403: "invalid_request_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    429: "requests",
}
_CODES: Final = {
    "authentication": "invalid_api_key",
    "not_found": "model_not_found",
    "rate_limit": "rate_limit_exceeded",
    "context_length": "context_length_exceeded",
}
_FINISH: Final = {
    "end": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool": "tool_calls",
    "refusal": "stop",
}


def _check_typed(params: Checker, raw: bytes) -> None:
    try:
        params.check(raw)
    except BadBodyError as error:
        raise refuse(f"Invalid '{error.param}': {error.message}", param=error.param) from None


def _embed(request: Received) -> dict[str, Any]:
    body = request.body
    _check_typed(_EMBED_PARAMS, request.raw)
    inputs = openai_inputs(body["input"])
    vectors = [vector(one, body.get("dimensions")) for one in inputs]
    as_text = body.get("encoding_format") == "base64"
    used = tokens_of(inputs)
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": at, "embedding": coded(one) if as_text else one}
            for at, one in enumerate(vectors)
        ],
        "model": body["model"],
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }


def _draw(request: Received) -> dict[str, Any]:
    """https://platform.openai.com/docs/api-reference/images/create"""
    body = request.body
    _check_typed(_IMAGE_PARAMS, request.raw)
    check_ranges(body, {"n": (1, 10), "output_compression": (0, 100), "partial_images": (0, 3)})
    count = body.get("n") or 1
    if body.get("response_format") == "url":
        pictures = [{"url": f"https://images.example/{at}.png"} for at in range(count)]
    else:
        pictures = [{"b64_json": picture(body["prompt"])} for _ in range(count)]
    used = tokens_of([body["prompt"]])
    return {
        "created": _CREATED,
        "data": pictures,
        "usage": {
            "input_tokens": used,
            "input_tokens_details": {"text_tokens": used, "image_tokens": 0},
            "output_tokens": 100 * count,
            "total_tokens": used + 100 * count,
        },
    }


class OpenaiChat:
    """Dialect `openai-chat`. Like the real one it gives no reasoning away but its token count."""

    name = "openai-chat"
    stream_type = "text/event-stream; charset=utf-8"

    def __init__(self) -> None:
        self._ids = Ids()

    def authenticate(self, request: Received) -> None:
        check_bearer(request)

    def answer_other(self, request: Received) -> dict[str, Any] | None:
        if (request.method, request.path) == ("GET", "/v1/models"):
            model = {"id": "text", "object": "model", "created": _CREATED, "owned_by": "tests"}
            return {"object": "list", "data": [model]}
        if request.path == "/v1/embeddings":
            check_path(request, "/v1/embeddings")
            return _embed(request)
        if request.path == "/v1/images/generations":
            check_path(request, "/v1/images/generations")
            return _draw(request)
        check_path(request, "/v1/chat/completions")
        return None

    def read(self, request: Received) -> Seen:
        body = request.body
        _check_typed(_PARAMS, request.raw)
        _check_options(body)
        system, turns = _read_messages(body["messages"])
        tools = [tool["function"] for tool in members(body.get("tools")) if "function" in tool]
        output_format = fields(body.get("response_format"))
        stop = members(body.get("stop"))
        return Seen(
            model=body["model"],
            stream=bool(body.get("stream")),
            system=system,
            turns=merge(turns),
            tools=tuple(tool["name"] for tool in tools),
            schemas=tuple(canonical(tool.get("parameters")) for tool in tools),
            tool_choice=_choice(body.get("tool_choice")),
            schema=_schema(output_format),
            max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            temperature=body.get("temperature"),
            effort=body.get("reasoning_effort"),
        )

    def whole(self, seen: Seen, scenario: Scenario) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
        calls: list[dict[str, Any]] = []
        for block in scenario.blocks:
            match block:
                case Text():
                    message["content"] = (message["content"] or "") + block.whole
                case Refused():
                    message["refusal"] = block.whole
                case Call():
                    calls.append(self._call(seen, block))
                case _:
                    pass
        if calls:
            message["tool_calls"] = calls
        choice: dict[str, Any] = {
            "index": 0,
            "message": {**message, "annotations": []},
            "logprobs": None,
            "finish_reason": _FINISH[scenario.stop],
        }
        return {
            "id": self._ids.new("chatcmpl-"),
            "object": "chat.completion",
            "created": _CREATED,
            "model": seen.model,
            "choices": [choice],
            "usage": _usage(scenario.usage),
            "service_tier": "default",
            "system_fingerprint": "fp_tests",
        }

    def frames(self, seen: Seen, scenario: Scenario, request: Received) -> list[Frame]:
        options = fields(request.body.get("stream_options"))
        with_usage = bool(options.get("include_usage"))
        head = {
            "id": self._ids.new("chatcmpl-"),
            "object": "chat.completion.chunk",
            "created": _CREATED,
            "model": seen.model,
            "service_tier": "default",
            "system_fingerprint": "fp_tests",
        }

        def chunk(delta: dict[str, Any], finish: str | None = None) -> Frame:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            body = {**head, "choices": [choice]} | ({"usage": None} if with_usage else {})
            return Frame(_sse(body), content=bool(delta) and "role" not in delta)

        first: dict[str, Any] = {"role": "assistant", "content": "", "refusal": None}
        frames = [chunk(first)]
        index = 0
        for block in scenario.blocks:
            match block:
                case Text():
                    frames += [chunk({"content": piece}) for piece in block.pieces]
                case Refused():
                    frames += [chunk({"refusal": piece}) for piece in block.pieces]
                case Call():
                    call = self._call(seen, block)
                    text = call["function"]["arguments"]
                    call["function"]["arguments"] = ""
                    frames.append(chunk({"tool_calls": [{"index": index, **call}]}))
                    for piece in split_text(text):
                        part = {"index": index, "function": {"arguments": piece}}
                        frames.append(chunk({"tool_calls": [part]}))
                    index += 1
                case _:
                    pass
        frames.append(chunk({}, _FINISH[scenario.stop]))
        if with_usage:
            frames.append(Frame(_sse({**head, "choices": [], "usage": _usage(scenario.usage)})))
        return [*frames, Frame(b"data: [DONE]\n\n")]

    def error(self, failure: Failure) -> tuple[int, dict[str, Any], dict[str, str]]:
        return openai_error(failure)

    def error_frame(self, failure: Failure, position: int) -> bytes:
        return _sse(openai_error(failure)[1])

    def ping_frame(self) -> bytes:
        return b": ping\n\n"

    def _call(self, seen: Seen, call: Call) -> dict[str, Any]:
        arguments = orjson.dumps(call.arguments).decode()
        function = {"name": seen.tools[call.tool], "arguments": arguments}
        return {"id": self._ids.new("call_"), "type": "function", "function": function}


def check_bearer(request: Received) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not key or key == "bad-key":
        message = "You didn't provide a valid API key."
        raise RefusedError(Failure(status=401, kind="authentication", message=message))


def check_path(request: Received, path: str) -> None:
    if request.path != path:
        message = f"Invalid URL ({request.method} {request.path})"
        raise RefusedError(Failure(status=404, kind="not_found", message=message))
    if request.method != "POST":
        message = f"Not allowed to {request.method} on {path}"
        raise RefusedError(Failure(status=405, kind="method_not_allowed", message=message))


def openai_error(failure: Failure) -> tuple[int, dict[str, Any], dict[str, str]]:
    error = {
        "message": failure.message,
        "type": _TYPES.get(failure.status, "server_error"),
        "param": failure.param,
        "code": failure.code or _CODES.get(failure.kind),
    }
    headers = {"x-request-id": "req_tests"}
    if failure.retry_after_s is not None:
        headers["retry-after"] = str(failure.retry_after_s)
    return failure.status, {"error": error}, headers


def check_name(name: str, param: str) -> None:
    if not _NAME.match(name):
        message = f"Invalid '{param}': string does not match pattern. Expected '{_NAME.pattern}'."
        raise refuse(message, param=param)


def check_parameters(tool: dict[str, Any]) -> None:
    """A function tool's own fields, where chat and responses agree."""
    check_name(tool["name"], "tools[].function.name")
    schema = tool.get("parameters")
    where = f"function '{tool['name']}'"
    if schema is not None and schema.get("type") != "object":
        kind = schema.get("type")
        raise refuse(f"Invalid schema for {where}: schema must be of type 'object', got '{kind}'.")
    if tool.get("strict"):
        check_closed(schema, where)
        check_all_required(schema, where)


def check_image_url(url: str) -> Item:
    """`https:` or `data:` with real base64 of what it says."""
    if url.startswith(("http://", "https://")):
        return ("image", url, "")
    match = _DATA_URL.match(url)
    if match is None:
        raise refuse("Invalid 'image_url': expected a valid URL or base64 data URL")
    check_media(match[1], match[2])
    return ("image", match[1], match[2])


def check_ranges(body: dict[str, Any], ranges: dict[str, tuple[float, float]]) -> None:
    for field, (low, high) in ranges.items():
        value = body.get(field)
        if value is not None and not low <= value <= high:
            raise refuse(f"Invalid '{field}': expected a value from {low} to {high}.", param=field)


def check_lengths(body: dict[str, Any]) -> None:
    """Of the words by which a client's user and cache are known."""
    for field in ("safety_identifier", "prompt_cache_key"):
        length = len(body.get(field) or "")
        if length > 64:
            raise refuse(
                f"Invalid '{field}': string too long. Expected a string with maximum length 64, "
                f"but got a string with length {length} instead.",
                param=field,
            )


def _check_options(body: dict[str, Any]) -> None:
    check_lengths(body)
    check_ranges(
        body,
        {
            "temperature": (0, 2),
            "top_p": (0, 1),
            "presence_penalty": (-2, 2),
            "frequency_penalty": (-2, 2),
            "n": (1, 128),
            "max_tokens": (1, 1 << 20),
            "max_completion_tokens": (1, 1 << 20),
            "top_logprobs": (0, 20),
        },
    )
    tools = body.get("tools")
    if tools == []:
        raise refuse("Invalid 'tools': empty array. Expected a minimum length of 1.", param="tools")
    if tools is None:
        for field in ("tool_choice", "parallel_tool_calls"):
            if body.get(field) is not None:
                raise refuse(f"'{field}' is only allowed when 'tools' are specified.", param=field)
    for tool in tools or ():
        if "function" in tool:
            check_parameters(tool["function"])
    choice = body.get("tool_choice") or "auto"
    if not isinstance(choice, str) and choice["type"] == "function":
        names = [tool["function"]["name"] for tool in tools or () if "function" in tool]
        if choice["function"]["name"] not in names:
            raise refuse("Invalid 'tool_choice': function not in 'tools'.", param="tool_choice")
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise refuse("Setting 'max_tokens' and 'max_completion_tokens' at the same time is wrong.")
    if body.get("stream_options") is not None and not body.get("stream"):
        raise refuse("'stream_options' is only allowed when 'stream' is enabled.")
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        raise refuse("'top_logprobs' is only allowed when 'logprobs' is enabled.")
    stop = body.get("stop") or ""
    if not isinstance(stop, str) and not 1 <= len(stop) <= 4:
        raise refuse("Invalid 'stop': array length must be from 1 to 4.", param="stop")
    if len(members(body.get("metadata"))) > 16:
        raise refuse("Invalid 'metadata': too many properties.", param="metadata")
    output_format = fields(body.get("response_format"))
    if output_format.get("type") == "json_schema":
        wanted = output_format["json_schema"]
        check_output_schema(wanted)
    if output_format.get("type") == "json_object" and "json" not in str(body["messages"]).lower():
        raise refuse("'messages' must contain the word 'json' to use 'json_object'.")


def check_output_schema(wanted: dict[str, Any]) -> None:
    check_name(wanted["name"], "response_format.json_schema.name")
    if wanted.get("strict"):
        check_closed(wanted.get("schema"), "response_format")
        check_all_required(wanted.get("schema"), "response_format")


def _schema(output_format: dict[str, Any]) -> str | None:
    if output_format.get("type") != "json_schema":
        return None
    return canonical(output_format["json_schema"].get("schema"))


def _choice(choice: Any) -> str:
    if choice is None or isinstance(choice, str):
        return choice or "auto"
    return str(choice.get("function", choice).get("name", choice["type"]))


def _read_messages(messages: list[dict[str, Any]]) -> tuple[str, list[tuple[str, list[Item]]]]:
    if not messages:
        raise refuse("Invalid 'messages': empty array.", param="messages")
    system: list[str] = []
    turns: list[tuple[str, list[Item]]] = []
    names: dict[str, str] = {}
    waiting: dict[str, str] = {}
    for at, message in enumerate(messages):
        role = message["role"]
        if role == "tool":
            name = waiting.pop(message["tool_call_id"], None)
            if name is None:
                raise refuse(
                    "Invalid parameter: messages with role 'tool' must be a response to a "
                    "preceeding message with 'tool_calls'.",
                    param=f"messages.[{at}].role",
                )
            turns.append(("user", [("result", name, _plain(message["content"]), "ok")]))
            continue
        _check_answered(waiting)
        if role in ("system", "developer"):
            system.append(_plain(message["content"]))
        elif role == "user":
            turns.append(("user", _read_content(message["content"])))
        else:
            items, waiting = _read_assistant(message, names)
            turns.append(("assistant", items))
    _check_answered(waiting)
    return "\n".join(system), turns


def _check_answered(waiting: dict[str, str]) -> None:
    if waiting:
        raise refuse(
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            f"to each 'tool_call_id'. These did not have response messages: {', '.join(waiting)}"
        )


def _read_assistant(
    message: dict[str, Any], names: dict[str, str]
) -> tuple[list[Item], dict[str, str]]:
    calls = message.get("tool_calls")
    content = message.get("content")
    if calls == []:
        raise refuse("Invalid 'tool_calls': empty array. Expected a minimum length of 1.")
    if content is None and not calls and not message.get("refusal"):
        raise refuse("Invalid 'content': expected a string or an array, got null.")
    items = _read_content(content or "")
    waiting: dict[str, str] = {}
    for call in calls or ():
        if not 1 <= len(call["id"]) <= 40:
            raise refuse("Invalid 'tool_calls[].id': string too long. Expected at most 40.")
        if call["id"] in names:
            raise refuse(f"Duplicate tool call id '{call['id']}'.")
        name = call["function"]["name"]
        check_name(name, "messages[].tool_calls[].function.name")
        arguments = read_arguments(call["function"]["arguments"])
        names[call["id"]] = waiting[call["id"]] = name
        items.append(("call", name, canonical(arguments)))
    return items, waiting


def read_arguments(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise refuse("function arguments are not a JSON text") from None


def _plain(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _read_content(content: Any) -> list[Item]:
    if isinstance(content, str):
        return [("text", content)] if content else []
    if not content:
        raise refuse("Invalid 'content': empty array. Expected a minimum length of 1.")
    items: list[Item] = []
    for part in content:
        match part["type"]:
            case "text":
                items.append(("text", part["text"]))
            case "image_url":
                items.append(check_image_url(part["image_url"]["url"]))
            case "file" if "file_data" in part["file"]:
                match = _DATA_URL.match(part["file"]["file_data"])
                if match is None or "filename" not in part["file"]:
                    raise refuse("Invalid 'file': expected a filename and a base64 data URL.")
                check_media(match[1], match[2])
                items.append(("document", match[1], match[2]))
            case kind:
                items.append((kind,))
    return items


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _sse(body: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"
