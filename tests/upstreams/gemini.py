"""A fake Google Gemini API."""

from __future__ import annotations

import base64
import re
from typing import Any, Final, Required, cast

import orjson
from google.genai import types as sdk
from typing_extensions import TypedDict

from tests.upstreams.dialect import Frame, Ids, Received, Signer
from tests.upstreams.pictures import picture
from tests.upstreams.scenario import (
    Block,
    Call,
    Failure,
    RefusedError,
    Scenario,
    Thinking,
    Usage,
)
from tests.upstreams.seen import Item, Seen, canonical, check_media, fields, members, merge, refuse
from tests.upstreams.typed import BadBodyError, Checker
from tests.upstreams.vectors import check_keys, tokens_of, vector


class _Config(TypedDict, total=False):
    """`generationConfig` of the Gemini API; the SDK's own type is that of Vertex."""

    temperature: float
    topP: float
    topK: float
    candidateCount: int
    maxOutputTokens: int
    stopSequences: list[str]
    presencePenalty: float
    frequencyPenalty: float
    seed: int
    responseLogprobs: bool
    logprobs: int
    responseMimeType: str
    responseSchema: sdk.Schema
    responseJsonSchema: Any
    responseModalities: list[str]
    mediaResolution: sdk.MediaResolution
    speechConfig: sdk.SpeechConfig
    thinkingConfig: sdk.ThinkingConfig
    imageConfig: sdk.ImageConfig


class _Request(TypedDict, total=False):
    """The body on the wire, which the SDK flattens into one config."""

    contents: Required[list[sdk.Content]]
    systemInstruction: sdk.Content
    tools: list[sdk.Tool]
    toolConfig: sdk.ToolConfig
    safetySettings: list[sdk.SafetySetting]
    generationConfig: _Config
    cachedContent: str
    serviceTier: str
    store: bool
    labels: dict[str, str]


class _CountRequest(TypedDict, total=False):
    contents: list[sdk.Content]
    generateContentRequest: Any


_PARAMS: Final = Checker(_Request)
_COUNT_PARAMS: Final = Checker(_CountRequest)
_PATH: Final = re.compile(r"^/v1(?:beta)?/models/([^/:]+):(\w+)$")
_NAME: Final = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$")
_FOREIGN: Final = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
"""What the documentation lets stand for the signature of a call that another model made."""
_DATA: Final = (
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
)
_FINISH: Final = {
    "end": "STOP",
    "stop_sequence": "STOP",
    "length": "MAX_TOKENS",
    "tool": "STOP",
    "refusal": "SAFETY",
}
_STATUS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


def _embed(model: str, action: str, body: dict[str, Any]) -> dict[str, Any]:
    """https://ai.google.dev/api/embeddings; the count is told with a batch alone."""
    if action == "embedContent":
        return {"embedding": {"values": vector(*_embedded(model, body, named=False))}}
    check_keys(body, "requests")
    requests = members(body.get("requests"))
    if not 1 <= len(requests) <= 100:
        raise refuse("BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch")
    inputs = [_embedded(model, one, named=True) for one in requests]
    return {
        "embeddings": [{"values": vector(text, size)} for text, size in inputs],
        "usageMetadata": {"promptTokenCount": tokens_of([text for text, _ in inputs])},
    }


def _embedded(model: str, body: dict[str, Any], *, named: bool) -> tuple[str, int | None]:
    """The text and the size that is asked for."""
    body = _camel(body)
    check_keys(body, "model", "content", "taskType", "title", "outputDimensionality")
    if body.get("model") != f"models/{model}" and (named or "model" in body):
        raise refuse("the model in the request does not match the one in the URL", param="model")
    if body.get("taskType") not in (None, "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT"):
        raise refuse("Invalid value at 'task_type'", param="taskType")
    check_keys(body["content"], "parts", "role")
    for part in body["content"]["parts"]:
        check_keys(part, "text")
    text = "\n".join(part["text"] for part in body["content"]["parts"])
    if not text:
        raise refuse("content is empty", param="content")
    return text, body.get("outputDimensionality")


def _draw(model: str, action: str, request: Received) -> dict[str, Any]:
    """https://ai.google.dev/gemini-api/docs/image-generation: one picture each time."""
    _check_typed(_PARAMS, request.raw)
    if action != "generateContent" or fields(request.body["generationConfig"]).get(
        "candidateCount"
    ):
        raise refuse("this model draws one picture, whole")
    ratio = fields(request.body["generationConfig"].get("imageConfig")).get("aspectRatio")
    if ratio not in (None, "1:1", "2:3", "3:2", "9:16", "16:9"):
        raise refuse("Invalid value at 'generation_config.image_config.aspect_ratio'")
    prompt = request.body["contents"][0]["parts"][0]["text"]
    part = {"inlineData": {"mimeType": "image/png", "data": picture(prompt)}}
    return {
        "candidates": [
            {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
        ],
        "usageMetadata": {
            "promptTokenCount": tokens_of([prompt]),
            "candidatesTokenCount": 100,
            "totalTokenCount": tokens_of([prompt]) + 100,
        },
        "modelVersion": model,
    }


class Gemini:
    """Dialect `gemini`. Calls of the `thinking-*` models are signed, and must come back so."""

    name = "gemini"
    stream_type = "text/event-stream"

    def __init__(self) -> None:
        self._ids = Ids()
        self._signer = Signer()

    def authenticate(self, request: Received) -> None:
        key = request.headers.get("x-goog-api-key") or request.query.get("key")
        if not key or key == "bad-key":
            message = "API key not valid. Please pass a valid API key."
            raise RefusedError(Failure(status=400, kind="authentication", message=message))

    def answer_other(self, request: Received) -> dict[str, Any] | None:
        match = _PATH.match(request.path)
        if match is None or request.method != "POST":
            message = f"Requested entity was not found: {request.path}"
            raise RefusedError(Failure(status=404, kind="not_found", message=message))
        if match[2] == "countTokens":
            _check_typed(_COUNT_PARAMS, request.raw)
            return {"totalTokens": 14}
        if match[2] in ("embedContent", "batchEmbedContents"):
            return _embed(match[1], match[2], request.body)
        if match[2] not in ("generateContent", "streamGenerateContent"):
            raise refuse(f"{match[2]} is not supported for this model")
        if "IMAGE" in (
            fields(request.body.get("generationConfig")).get("responseModalities") or ()
        ):
            return _draw(match[1], match[2], request)
        return None

    def read(self, request: Received) -> Seen:
        match = _PATH.match(request.path)
        assert match is not None
        _check_typed(_PARAMS, request.raw)
        body = _camel(request.body)
        config = fields(body.get("generationConfig"))
        _check_config(config)
        declared = _declared(body)
        turns = self._read_contents(body["contents"])
        if match[1].startswith("thinking"):
            self._check_signatures(body["contents"])
        instruction = fields(body.get("systemInstruction"))
        if any("text" not in part for part in instruction.get("parts", ())):
            raise refuse("systemInstruction must hold text only")
        schema = config.get("responseJsonSchema", config.get("responseSchema"))
        thinking = fields(config.get("thinkingConfig"))
        budget = thinking.get("thinkingBudget")
        return Seen(
            model=match[1],
            stream=match[2] == "streamGenerateContent",
            system="\n".join(part["text"] for part in instruction.get("parts", ())),
            turns=merge(turns),
            tools=tuple(tool["name"] for tool in declared),
            schemas=tuple(
                canonical(tool.get("parametersJsonSchema", tool.get("parameters")))
                for tool in declared
            ),
            tool_choice=_choice(body, declared),
            schema=canonical(schema) if schema is not None else None,
            max_tokens=config.get("maxOutputTokens"),
            stop=tuple(members(config.get("stopSequences"))),
            temperature=config.get("temperature"),
            effort=thinking.get("thinkingLevel") or (None if budget is None else str(budget)),
        )

    def whole(self, seen: Seen, scenario: Scenario) -> dict[str, Any]:
        parts = [part for block in self._parts(seen, scenario) for part in block]
        joined: list[dict[str, Any]] = []
        for part in parts:
            last = joined[-1] if joined else {}
            if "text" in part and "text" in last and last.get("thought") == part.get("thought"):
                joined[-1] = {**last, **part, "text": last["text"] + part["text"]}
            else:
                joined.append(part)
        return self._answer(seen, scenario, self._ids.new("resp"), joined, last=True)

    def frames(self, seen: Seen, scenario: Scenario, request: Received) -> list[Frame]:
        response_id = self._ids.new("resp")
        if scenario.stop == "refusal":
            answers = [self._answer(seen, scenario, response_id, [], last=True)]
        else:
            parts = [part for block in self._parts(seen, scenario) for part in block]
            answers = [
                self._answer(seen, scenario, response_id, [part], last=False) for part in parts
            ]
            end = [{"text": ""}]
            answers.append(self._answer(seen, scenario, response_id, end, last=True))
        texts = [orjson.dumps(answer) for answer in answers]
        if request.query.get("alt") == "sse":
            return [Frame(b"data: " + text + b"\r\n\r\n", content=True) for text in texts]
        frames = [
            Frame((b"[" if at == 0 else b",\r\n") + text, content=True)
            for at, text in enumerate(texts)
        ]
        return [*frames, Frame(b"]")]

    def error(self, failure: Failure) -> tuple[int, dict[str, Any], dict[str, str]]:
        status = 503 if failure.status == 529 else failure.status
        word = _STATUS.get(status, "UNKNOWN")
        error: dict[str, Any] = {"code": status, "message": failure.message, "status": word}
        google = "type.googleapis.com/google.rpc."
        if failure.kind == "authentication" and status == 400:
            error["details"] = [{"@type": f"{google}ErrorInfo", "reason": "API_KEY_INVALID"}]
        if failure.retry_after_s is not None:
            delay = f"{failure.retry_after_s}s"
            error["details"] = [{"@type": f"{google}RetryInfo", "retryDelay": delay}]
        return status, {"error": error}, {}

    def error_frame(self, failure: Failure, position: int) -> bytes:
        return b"data: " + orjson.dumps(self.error(failure)[1]) + b"\r\n\r\n"

    def ping_frame(self) -> bytes:
        return b""

    def _answer(
        self,
        seen: Seen,
        scenario: Scenario,
        response_id: str,
        parts: list[dict[str, Any]],
        *,
        last: bool,
    ) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "usageMetadata": _usage(scenario.usage, last=last),
            "modelVersion": seen.model,
            "responseId": response_id,
        }
        if scenario.stop == "refusal":
            return {**answer, "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
        candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
        if last:
            candidate["finishReason"] = _FINISH[scenario.stop]
        return {"candidates": [candidate], **answer}

    def _parts(self, seen: Seen, scenario: Scenario) -> list[list[dict[str, Any]]]:
        """Of each block, the parts that a stream sends one by one."""
        thoughtful = any(isinstance(block, Thinking) for block in scenario.blocks)
        signed = False
        parts: list[list[dict[str, Any]]] = []
        for block in scenario.blocks:
            made = _block_parts(seen, block)
            if isinstance(block, Call) and thoughtful and not signed:
                call = made[0]["functionCall"]
                made[0]["thoughtSignature"] = self._signature(call)
                signed = True
            parts.append(made)
        return parts

    def _signature(self, call: dict[str, Any]) -> str:
        return self._signer.sign("call", call["name"], canonical(fields(call.get("args"))))

    def _check_signatures(self, contents: list[dict[str, Any]]) -> None:
        """The first call of each step of the current turn carries the signature it came with."""
        current: list[dict[str, Any]] = []
        for content in contents:
            said = any("functionResponse" not in part for part in content["parts"])
            current = [] if content["role"] == "user" and said else [*current, content]
        for content in current:
            calls = [part for part in content["parts"] if "functionCall" in part]
            for part in calls[:1]:
                signature = part.get("thoughtSignature")
                name = part["functionCall"]["name"]
                if not signature:
                    raise refuse(
                        f"Function call `{name}` in the current turn is missing a thought_signature"
                    )
                mine = _same_bytes(signature, self._signature(part["functionCall"]))
                if not mine and signature not in _FOREIGN:
                    raise refuse("Thought signature is not valid")

    def _read_contents(self, contents: list[dict[str, Any]]) -> list[tuple[str, list[Item]]]:
        if not contents:
            raise refuse("GenerateContentRequest.contents: contents is not specified")
        if contents[0].get("role", "user") != "user":
            raise refuse("Please ensure that the first turn is of the user")
        turns: list[tuple[str, list[Item]]] = []
        waiting: list[str] = []
        for at, content in enumerate(contents):
            role = content.get("role")
            if role not in ("user", "model"):
                raise refuse("Please use a valid role: user, model.", param=f"contents[{at}].role")
            parts = members(content.get("parts"))
            if not parts:
                raise refuse("contents.parts must not be empty", param=f"contents[{at}].parts")
            answers = [part["functionResponse"] for part in parts if "functionResponse" in part]
            if len(answers) != len(waiting):
                raise refuse(
                    "Please ensure that the number of function response parts is equal to the "
                    "number of function call parts of the function call turn."
                )
            names = [answer.get("name") for answer in answers]
            if sorted(map(str, names)) != sorted(waiting):
                raise refuse("function response names do not match the function calls' names")
            turns.append(
                ("user" if role == "user" else "assistant", [_item(part) for part in parts])
            )
            waiting = [part["functionCall"]["name"] for part in parts if "functionCall" in part]
            if waiting and role != "model":
                raise refuse("function calls must be of the model")
        if waiting:
            raise refuse("a function call turn must be followed by a function response turn")
        return turns


def _check_typed(checker: Checker, raw: bytes) -> None:
    try:
        checker.check(raw)
    except BadBodyError as error:
        message = f"Invalid JSON payload received. {error.param}: {error.message}"
        raise refuse(message, param=error.param) from None


_OPAQUE: Final = {"args", "response", "parametersJsonSchema", "responseJsonSchema", "labels"}
"""What stands under these keys is the application's own."""


def _camel(value: Any) -> Any:
    """The API takes both spellings of a field, and its SDK sends both."""
    if isinstance(value, list):
        return [_camel(item) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    camel: dict[str, Any] = {}
    for key, inner in cast("dict[str, Any]", value).items():
        name = re.sub(r"_(\w)", lambda match: match[1].upper(), key)
        if name == "properties":
            camel[name] = {own: _camel(schema) for own, schema in inner.items()}
        else:
            camel[name] = inner if name in _OPAQUE else _camel(inner)
    return camel


def _same_bytes(left: str, right: str) -> bool:
    """Base64 has two alphabets; protobuf takes both."""
    padded = left + "=" * (-len(left) % 4)
    return base64.urlsafe_b64decode(padded.translate(_URL_SAFE)) == base64.b64decode(right)


_URL_SAFE: Final = str.maketrans("+/", "-_")


def _check_config(config: dict[str, Any]) -> None:
    ranges = {"temperature": (0, 2), "topP": (0, 1), "candidateCount": (1, 8)}
    for field, (low, high) in ranges.items():
        if field in config and not low <= config[field] <= high:
            raise refuse(f"{field} must be in the range [{low}, {high}]", param=field)
    if len(members(config.get("stopSequences"))) > 5:
        raise refuse("at most 5 stop sequences", param="stopSequences")
    if "responseSchema" in config and "responseJsonSchema" in config:
        raise refuse("only one of response_schema and response_json_schema may be set")
    has_schema = {"responseSchema", "responseJsonSchema"} & config.keys()
    if has_schema and config.get("responseMimeType") != "application/json":
        raise refuse("a response schema needs the response mime type application/json")
    if config.get("responseMimeType") not in (
        None,
        "text/plain",
        "application/json",
        "text/x.enum",
    ):
        raise refuse("allowed response mime types are text/plain, application/json, text/x.enum")
    thinking = fields(config.get("thinkingConfig"))
    if {"thinkingBudget", "thinkingLevel"} <= thinking.keys():
        raise refuse("only one of thinking_budget and thinking_level may be set")
    if config.get("maxOutputTokens", 1) < 1:
        raise refuse("maxOutputTokens must be positive")


def _declared(body: dict[str, Any]) -> list[dict[str, Any]]:
    declared: list[dict[str, Any]] = []
    for tool in members(body.get("tools")):
        if not tool:
            raise refuse("tools[]: one of its fields must be set")
        declared += members(tool.get("functionDeclarations"))
    for function in declared:
        _check_name(function.get("name"))
        if not function.get("description"):
            continue
        if "parameters" in function and "parametersJsonSchema" in function:
            raise refuse("only one of parameters and parameters_json_schema may be set")
    names = [function["name"] for function in declared]
    if len(set(names)) != len(names):
        raise refuse("Duplicate function declaration found")
    for function in declared:
        schema = function.get("parameters")
        if schema is not None and schema.get("type") != "OBJECT":
            raise refuse("parameters: schema must be of type OBJECT")
        if schema is not None and schema.get("properties") == {}:
            raise refuse("parameters.properties: should be non-empty for OBJECT type")
    return declared


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not _NAME.match(name):
        raise refuse(
            "Invalid function name. Must start with a letter or an underscore. Must be "
            "alphameric, underscores, dots, colons or dashes, with a maximum length of 64."
        )


def _choice(body: dict[str, Any], declared: list[dict[str, Any]]) -> str:
    config = fields(fields(body.get("toolConfig")).get("functionCallingConfig"))
    mode = config.get("mode", "AUTO")
    names = config.get("allowedFunctionNames")
    if names is not None:
        if mode not in ("ANY", "VALIDATED"):
            raise refuse("allowed_function_names needs the mode ANY or VALIDATED")
        if not set(names) <= {function["name"] for function in declared}:
            raise refuse("allowed_function_names must be among the function declarations")
        if len(names) == 1:
            return str(names[0])
    return {"ANY": "required"}.get(mode, mode.lower())


def _item(part: dict[str, Any]) -> Item:
    data = [field for field in _DATA if field in part]
    if len(data) != 1:
        raise refuse("part: exactly one field of its data must be set")
    value = part[data[0]]
    match data[0]:
        case "text":
            if not value and "thoughtSignature" not in part:
                raise refuse("part.text must not be empty")
            return ("thinking" if part.get("thought") else "text", value)
        case "inlineData":
            check_media(value.get("mimeType", ""), value["data"])
            kind = "document" if value["mimeType"] == "application/pdf" else "image"
            return (kind, value["mimeType"], value["data"])
        case "fileData":
            return ("image", value["fileUri"], "")
        case "functionCall":
            _check_name(value.get("name"))
            return ("call", value["name"], canonical(fields(value.get("args"))))
        case "functionResponse":
            return _result(value)
        case kind:
            return (kind,)


def _result(value: dict[str, Any]) -> Item:
    """The documented keys are `output` and `error`; without them the whole object is the output."""
    _check_name(value.get("name"))
    response = value.get("response")
    if response is None:
        raise refuse("function_response.response: the field is required")
    state = "error" if "error" in response else "ok"
    text = response.get("error", response.get("output", response))
    shown = text if isinstance(text, str) else canonical(text)
    for part in members(value.get("parts")):
        inline = fields(part.get("inlineData"))
        check_media(inline.get("mimeType", ""), inline.get("data", ""))
        shown += f"image|{inline['mimeType']}|{inline['data']}"
    return ("result", value["name"], shown, state)


def _block_parts(seen: Seen, block: Block) -> list[dict[str, Any]]:
    match block:
        case Call():
            name = seen.tools[block.tool]
            return [{"functionCall": {"name": name, "args": dict(block.arguments)}}]
        case Thinking():
            return [{"text": piece, "thought": True} for piece in block.pieces]
        case _:
            return [{"text": piece} for piece in block.pieces]


def _usage(usage: Usage, *, last: bool) -> dict[str, Any]:
    """Cumulative: each answer of a stream repeats it, only the last has it all."""
    output = usage.output - usage.reasoning if last else 1
    thoughts = {"thoughtsTokenCount": usage.reasoning} if usage.reasoning else {}
    return {
        "promptTokenCount": usage.input,
        "cachedContentTokenCount": usage.cached,
        "candidatesTokenCount": output,
        **thoughts,
        "totalTokenCount": usage.input + output + usage.reasoning,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input}],
    }
