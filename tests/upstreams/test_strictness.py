"""What the fake providers refuse: each case is one mistake that a gateway could make."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sdk.told import PNG
from tests.upstreams.server import running

NOTHING: dict[str, Any] = {}
USER: Any = {"role": "user", "content": "Hi"}
SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}}}
OPEN: Any = {"type": "object", "properties": NOTHING}
DATA_URL = f"data:image/png;base64,{PNG}"

FUNCTION: Any = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
CALL: Any = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLS: Any = {"role": "assistant", "tool_calls": [CALL]}
RESULT: Any = {"role": "tool", "tool_call_id": "c1", "content": "r"}
CHAT: dict[str, Any] = {"model": "text", "messages": [USER]}

FLAT: Any = {"type": "function", "name": "f", "parameters": SCHEMA, "strict": False}
ITEM: Any = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
OUTPUT: Any = {"type": "function_call_output", "call_id": "c1", "output": "r"}
RESPONSES: dict[str, Any] = {"model": "text", "input": [USER]}

TOOL: Any = {"name": "f", "input_schema": SCHEMA}
USE: Any = {"type": "tool_use", "id": "t1", "name": "f", "input": NOTHING}
USES: Any = {"role": "assistant", "content": [USE]}
TOOL_RESULT: Any = {"type": "tool_result", "tool_use_id": "t1", "content": "r"}
RESULTS: Any = {"role": "user", "content": [TOOL_RESULT]}
THINKS: Any = {"type": "enabled", "budget_tokens": 1024}
MESSAGES: dict[str, Any] = {"model": "text", "max_tokens": 2000, "messages": [USER]}

ASKED: Any = {"role": "user", "parts": [{"text": "Hi"}]}
CALLED: Any = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": NOTHING}}]}
RESPONDED: Any = {
    "role": "user",
    "parts": [{"functionResponse": {"name": "f", "response": {"output": "r"}}}],
}
DECLARED: Any = [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": SCHEMA}]}]
GEMINI: dict[str, Any] = {"contents": [ASKED]}

OLLAMA_CALLS: dict[str, Any] = {
    "role": "assistant",
    "tool_calls": [{"function": {"name": "f", "arguments": {}}}],
}
OLLAMA_RESULT: Any = {"role": "tool", "tool_name": "f", "content": "r"}
OLLAMA: dict[str, Any] = {"model": "text", "messages": [USER], "stream": False}

PATHS: Any = {
    "openai-chat": "/chat/completions",
    "openai-responses": "/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/text:generateContent",
    "ollama": "/api/chat",
}
HEADERS: Any = {
    "openai-chat": {"authorization": "Bearer k"},
    "openai-responses": {"authorization": "Bearer k"},
    "anthropic": {"x-api-key": "k", "anthropic-version": "2023-06-01"},
    "gemini": {"x-goog-api-key": "k"},
    "ollama": {"accept": "application/json"},
}


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def of_user(*parts: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": list(parts)}]}


def said(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [USER, *messages], **more}


GOOD: dict[str, list[dict[str, Any]]] = {
    "openai-chat": [
        CHAT,
        CHAT | said(CALLS, RESULT, tools=[FUNCTION], tool_choice="none"),
        CHAT
        | said(
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": DATA_URL}}]}
        ),
    ],
    "openai-responses": [RESPONSES, RESPONSES | {"input": [USER, ITEM, OUTPUT], "tools": [FLAT]}],
    "anthropic": [
        MESSAGES,
        MESSAGES | said(USES, RESULTS, tools=[TOOL]),
        MESSAGES | {"temperature": 1, "top_k": 3},
    ],
    "gemini": [GEMINI, GEMINI | {"contents": [ASKED, CALLED, RESPONDED], "tools": DECLARED}],
    "ollama": [OLLAMA, OLLAMA | said(OLLAMA_CALLS, OLLAMA_RESULT)],
}

BAD: dict[str, dict[str, dict[str, Any]]] = {
    "openai-chat": {
        "unknown field": {"top_k": 3},
        "unknown field of a message": said(USER | {"reasoning_content": "x"}),
        "wrong type": {"temperature": "1"},
        "out of range": {"temperature": 3},
        "both limits": {"max_tokens": 9, "max_completion_tokens": 9},
        "no messages": {"messages": []},
        "long user": {"safety_identifier": "u" * 65},
        "long cache key": {"prompt_cache_key": "k" * 65},
        "long call id": said(
            {**CALLS, "tool_calls": [CALL | {"id": "c" * 41}]}, RESULT | {"tool_call_id": "c" * 41}
        ),
        "result without call": said(RESULT),
        "result of another call": said(CALLS, RESULT | {"tool_call_id": "c2"}),
        "call without result": said(CALLS, USER),
        "arguments as object": said(
            {**CALLS, "tool_calls": [CALL | {"function": {"name": "f", "arguments": {}}}]}, RESULT
        ),
        "bad name": {"tools": [{"type": "function", "function": {"name": "a.b"}}]},
        "choice without tools": {"tool_choice": "auto"},
        "choice of no tool": {
            "tools": [FUNCTION],
            "tool_choice": {"type": "function", "function": {"name": "g"}},
        },
        "empty tools": {"tools": []},
        "stream options without stream": {"stream_options": {"include_usage": True}},
        "five stops": {"stop": ["a", "b", "c", "d", "e"]},
        "image that is none": said(
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
                ],
            }
        ),
        "image in a result": said(
            CALLS,
            RESULT | {"content": [image(DATA_URL)]},
        ),
        "open strict schema": {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "a", "strict": True, "schema": OPEN},
            }
        },
        "assistant without content": said({"role": "assistant", "content": None}),
    },
    "openai-responses": {
        "unknown field": {"stop": "x"},
        "wrapped tool": {"tools": [FUNCTION]},
        "tool without strict": {"tools": [{"type": "function", "name": "f", "parameters": SCHEMA}]},
        "open strict tool": {"tools": [FLAT | {"strict": True}]},
        "call without result": {"input": [USER, ITEM]},
        "result without call": {"input": [USER, OUTPUT]},
        "arguments as object": {"input": [USER, ITEM | {"arguments": {}}, OUTPUT]},
        "long call id": {
            "input": [USER, ITEM | {"call_id": "c" * 65}, OUTPUT | {"call_id": "c" * 65}]
        },
        "bad item id": {"input": [USER, ITEM | {"id": "call_1"}, OUTPUT]},
        "input text of the assistant": {
            "input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]
        },
        "foreign reasoning": {
            "input": [
                USER,
                {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
            ]
        },
        "few tokens": {"max_output_tokens": 1},
        "unknown earlier response": {"previous_response_id": "resp_1"},
    },
    "anthropic": {
        "unknown field": {"stop": "x"},
        "unknown field of a block": said(
            {"role": "user", "content": [{"type": "text", "text": "x", "id": "1"}]}
        ),
        "null that has no place": {"tools": None},
        "developer role": said({"role": "developer", "content": "x"}),
        "no first user": {"messages": [{"role": "assistant", "content": "x"}]},
        "empty text": said({"role": "user", "content": [{"type": "text", "text": ""}]}),
        "hot": {"temperature": 1.5},
        "thinking beyond the limit": {"thinking": THINKS | {"budget_tokens": 2000}},
        "thinking too little": {"thinking": THINKS | {"budget_tokens": 100}},
        "thinking with forced tool": {
            "thinking": THINKS,
            "tools": [TOOL],
            "tool_choice": {"type": "any"},
        },
        "thinking with temperature": {"thinking": THINKS, "temperature": 0.5},
        "call without result": said(USES, USER),
        "result of another call": said(
            USES, {"role": "user", "content": [TOOL_RESULT | {"tool_use_id": "t2"}]}
        ),
        "result late": said(USES, USER, RESULTS),
        "result behind text": said(
            USES, {"role": "user", "content": [{"type": "text", "text": "x"}, TOOL_RESULT]}
        ),
        "foreign signature": said(
            {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": "x", "signature": "eA=="}],
            },
            USER,
        ),
        "thinking without its block": said(USES, RESULTS, thinking=THINKS),
        "choice without tools": {"tool_choice": {"type": "auto"}},
        "bad name": {"tools": [TOOL | {"name": "a.b"}]},
        "open output schema": {
            "output_config": {"format": {"type": "json_schema", "schema": OPEN}}
        },
        "five cache marks": said(
            *[
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
                    ],
                }
            ]
            * 5
        ),
        "image of another type": said(
            {
                "role": "user",
                "content": [
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/jpeg", "data": PNG},
                    }
                ],
            }
        ),
    },
    "gemini": {
        "unknown field": {"messages": []},
        "unknown field of a part": {
            "contents": [{"role": "user", "parts": [{"text": "x", "y": 1}]}]
        },
        "assistant role": {"contents": [ASKED, {"role": "assistant", "parts": [{"text": "x"}]}]},
        "no parts": of_user(),
        "empty text": of_user({"text": ""}),
        "two data": {
            "contents": [{"role": "user", "parts": [{"text": "x", "functionCall": {"name": "f"}}]}]
        },
        "call without result": {"contents": [ASKED, CALLED, ASKED]},
        "two results for a call": {
            "contents": [ASKED, CALLED, {**RESPONDED, "parts": RESPONDED["parts"] * 2}]
        },
        "result of another name": {
            "contents": [
                ASKED,
                CALLED,
                {
                    "role": "user",
                    "parts": [{"functionResponse": {"name": "g", "response": {}}}],
                },
            ]
        },
        "result that is text": {
            "contents": [
                ASKED,
                CALLED,
                {
                    "role": "user",
                    "parts": [{"functionResponse": {"name": "f", "response": "r"}}],
                },
            ]
        },
        "additional properties of a type list": {
            "tools": [
                {
                    "functionDeclarations": [
                        {"name": "f", "parameters": {"type": ["OBJECT", "NULL"]}}
                    ]
                }
            ]
        },
        "lower-case type": {
            "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "object"}}]}]
        },
        "bad name": {"tools": [{"functionDeclarations": [{"name": "1f"}]}]},
        "both schemas": {
            "generationConfig": {
                "responseMimeType": "application/json",
                "responseSchema": {"type": "OBJECT"},
                "responseJsonSchema": {},
            }
        },
        "schema without type": {"generationConfig": {"responseJsonSchema": SCHEMA}},
        "budget and level": {
            "generationConfig": {"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}}
        },
        "names without ANY": {
            "tools": DECLARED,
            "toolConfig": {"functionCallingConfig": {"allowedFunctionNames": ["f"]}},
        },
    },
    "ollama": {
        "unknown field": {"temperature": 1},
        "unknown option": {"options": {"max_tokens": 9}},
        "arguments as text": said(
            {
                "role": "assistant",
                "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}],
            },
            OLLAMA_RESULT,
        ),
        "id of a call": said({**OLLAMA_CALLS, "tool_calls": [CALL]}, OLLAMA_RESULT),
        "result of no call": said(OLLAMA_RESULT),
        "content parts": said({"role": "user", "content": [{"type": "text", "text": "x"}]}),
        "image as data url": said({"role": "user", "content": "x", "images": [DATA_URL]}),
        "unknown format": {"format": "xml"},
        "developer role": said({"role": "developer", "content": "x"}),
    },
}
BASES: Any = {
    "openai-chat": CHAT,
    "openai-responses": RESPONSES,
    "anthropic": MESSAGES,
    "gemini": GEMINI,
    "ollama": OLLAMA,
}
CASES: Any = [
    pytest.param(name, BASES[name] | change, id=f"{name}-{label.replace(' ', '-')}")
    for name, changes in BAD.items()
    for label, change in changes.items()
]


async def post(name: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    async with running(name) as upstream, httpx.AsyncClient() as client:
        headers = HEADERS[name] if headers is None else headers
        return await client.post(upstream.url + PATHS[name], json=body, headers=headers)


@pytest.mark.parametrize(("name", "body"), CASES)
async def test_a_mistake_is_refused(name: str, body: dict[str, Any]) -> None:
    response = await post(name, body)
    assert response.status_code == 400, response.text
    error: Any = response.json()["error"]
    assert (error if name == "ollama" else error["message"]) != ""


@pytest.mark.parametrize("name", GOOD)
async def test_what_is_right_is_taken(name: str) -> None:
    for body in GOOD[name]:
        response = await post(name, body)
        assert response.status_code == 200, response.text


@pytest.mark.parametrize("name", ["openai-chat", "openai-responses", "anthropic", "gemini"])
async def test_no_key_is_refused(name: str) -> None:
    response = await post(name, GOOD[name][0], {"anthropic-version": "2023-06-01"})
    assert response.status_code == (400 if name == "gemini" else 401)


async def test_anthropic_wants_its_version() -> None:
    response = await post("anthropic", MESSAGES, {"x-api-key": "k"})
    assert response.status_code == 400


async def test_gemini_wants_its_own_signature_back() -> None:
    async with running("gemini") as upstream, httpx.AsyncClient() as client:
        url = f"{upstream.url}/v1beta/models/thinking-tool:generateContent"

        async def ask(*contents: Any) -> httpx.Response:
            body = {"contents": [ASKED, *contents], "tools": DECLARED}
            return await client.post(url, json=body, headers=HEADERS["gemini"])

        content = (await ask()).json()["candidates"][0]["content"]
        assert (await ask(content, RESPONDED)).status_code == 200
        call = content["parts"][-1]
        assert call.pop("thoughtSignature")
        assert (await ask(content, RESPONDED)).status_code == 400
        call["thoughtSignature"] = "eA=="
        assert (await ask(content, RESPONDED)).status_code == 400
        call["thoughtSignature"] = "skip_thought_signature_validator"
        assert (await ask(content, RESPONDED)).status_code == 200


async def test_responses_want_reasoning_before_its_call() -> None:
    async with running("openai-responses") as upstream, httpx.AsyncClient() as client:

        async def ask(*items: Any) -> httpx.Response:
            body = {"model": "thinking-tool", "input": [USER, *items], "tools": [FLAT]}
            headers = HEADERS["openai-responses"]
            return await client.post(f"{upstream.url}/responses", json=body, headers=headers)

        reasoning, call = (await ask()).json()["output"]
        result = OUTPUT | {"call_id": call["call_id"]}
        assert (await ask(reasoning, call, result)).status_code == 200
        assert (await ask(call, result)).status_code == 400
