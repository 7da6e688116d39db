"""What clients read beside answers to requests: format, answer, node, and what is made of it."""

from __future__ import annotations

from typing import Any, Final

FULL: Final[dict[str, Any]] = {
    "id": "lab/m",
    "kind": "chat",
    "owned_by": "lab",
    "target": "other/m",
    "context_window": 1000,
    "max_output_tokens": 50,
    "capabilities": {"tools": True, "reasoning": True},
    "since": "2026-01-01T00:00:00+00:00",
    "since_s": 1767225600,
}
BARE: Final[dict[str, Any]] = dict.fromkeys(FULL) | {
    name: FULL[name] for name in ("id", "kind", "owned_by", "since", "since_s")
}
_DETAILS: Final = {
    "parent_model": "other/m",
    "format": "gateway",
    "family": "lab",
    "families": ["lab"],
    "parameter_size": "",
    "quantization_level": "",
}
_LOADED: Final = {"model": "m", "created_at": "1970-01-01T00:00:00Z"}
Case = tuple[str, str, dict[str, Any], dict[str, Any] | None]

CASES: Final[dict[str, Case]] = {
    "chat model": (
        "openai-chat",
        "model",
        FULL,
        {
            "id": "lab/m",
            "object": "model",
            "created": 1767225600,
            "owned_by": "lab",
            "kind": "chat",
            "root": "other/m",
            "context_length": 1000,
            "max_output_tokens": 50,
            "capabilities": {"tools": True, "reasoning": True},
        },
    ),
    "chat model of which little is known": (
        "openai-chat",
        "model",
        BARE,
        {
            "id": "lab/m",
            "object": "model",
            "created": 1767225600,
            "owned_by": "lab",
            "kind": "chat",
        },
    ),
    "chat models": (
        "openai-chat",
        "models",
        {"models": [{"id": "a"}]},
        {"object": "list", "data": [{"id": "a"}], "models": []},
    ),
    "a forgotten response": (
        "openai-responses",
        "forgotten",
        {"id": "r"},
        {"id": "r", "object": "response", "deleted": True},
    ),
    "a compacted conversation": (
        "openai-responses",
        "compacted",
        {
            "request": {"input": [{"role": "user", "content": "hi"}, {"type": "reasoning"}]},
            "answer": {
                "id": "r",
                "created_at": 5,
                "output": [{"type": "reasoning"}, {"type": "compaction", "id": "c"}],
                "usage": {"total_tokens": 3},
            },
        },
        {
            "id": "r",
            "object": "response.compaction",
            "created_at": 5,
            "output": [
                {
                    "role": "user",
                    "content": [{"type": "input_text", "text": "hi"}],
                    "type": "message",
                },
                {"type": "compaction", "id": "c"},
            ],
            "usage": {"total_tokens": 3},
        },
    ),
    "no compacted conversation": (
        "openai-responses",
        "compacted",
        {"request": {"input": []}, "answer": {"output": [{"type": "message"}]}},
        None,
    ),
    "messages model": (
        "anthropic",
        "model",
        FULL,
        {
            "type": "model",
            "id": "lab/m",
            "display_name": "lab/m",
            "created_at": "2026-01-01T00:00:00+00:00",
            "max_input_tokens": 1000,
            "max_tokens": 50,
        },
    ),
    "messages models": (
        "anthropic",
        "models",
        {"models": [{"id": "a"}, {"id": "b"}]},
        {
            "data": [{"id": "a"}, {"id": "b"}],
            "has_more": False,
            "first_id": "a",
            "last_id": "b",
        },
    ),
    "no messages models": (
        "anthropic",
        "models",
        {"models": []},
        {"data": [], "has_more": False, "first_id": None, "last_id": None},
    ),
    "messages count": ("anthropic", "count", {"tokens": 3}, {"input_tokens": 3}),
    "gemini model": (
        "gemini",
        "model",
        FULL,
        {
            "name": "models/lab/m",
            "displayName": "lab/m",
            "supportedGenerationMethods": [
                "generateContent",
                "streamGenerateContent",
                "countTokens",
            ],
            "inputTokenLimit": 1000,
            "outputTokenLimit": 50,
        },
    ),
    "gemini model of vectors": (
        "gemini",
        "model",
        {**BARE, "kind": "embedding"},
        {
            "name": "models/lab/m",
            "displayName": "lab/m",
            "supportedGenerationMethods": ["embedContent", "batchEmbedContents"],
        },
    ),
    "gemini models": ("gemini", "models", {"models": []}, {"models": []}),
    "gemini count": ("gemini", "count", {"tokens": 0}, {"totalTokens": 0}),
    "ollama model": (
        "ollama",
        "model",
        FULL,
        {
            "name": "lab/m",
            "model": "lab/m",
            "modified_at": "2026-01-01T00:00:00+00:00",
            "size": 0,
            "digest": "b5be339d7b37c5bf7b6102bc73bf47a45e5c2a8c64e842b1d901e6552fd99398",
            "details": _DETAILS,
        },
    ),
    "ollama models": ("ollama", "models", {"models": [{"name": "a"}]}, {"models": [{"name": "a"}]}),
    "ollama details": (
        "ollama",
        "details",
        FULL,
        {
            "modelfile": "",
            "parameters": "",
            "template": "",
            "details": _DETAILS,
            "model_info": {"general.architecture": "lab", "lab.context_length": 1000},
            "capabilities": ["completion", "tools", "thinking"],
            "modified_at": "2026-01-01T00:00:00+00:00",
        },
    ),
    "ollama details of which little is known": (
        "ollama",
        "details",
        BARE,
        {
            "modelfile": "",
            "parameters": "",
            "template": "",
            "details": {**_DETAILS, "parent_model": ""},
            "model_info": {"general.architecture": "lab"},
            "capabilities": ["completion", "tools", "vision"],
            "modified_at": "2026-01-01T00:00:00+00:00",
        },
    ),
    "ollama details of a model of vectors": (
        "ollama",
        "details",
        {**BARE, "kind": "embedding"},
        {
            "modelfile": "",
            "parameters": "",
            "template": "",
            "details": {**_DETAILS, "parent_model": ""},
            "model_info": {"general.architecture": "lab"},
            "capabilities": ["embedding"],
            "modified_at": "2026-01-01T00:00:00+00:00",
        },
    ),
    "ollama loads": (
        "ollama",
        "loaded",
        {"model": "m"},
        {
            **_LOADED,
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": "load",
        },
    ),
    "ollama unloads": (
        "ollama",
        "loaded",
        {"model": "m", "keep_alive": "0s"},
        {
            **_LOADED,
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": "unload",
        },
    ),
    "a prompt's model loads": (
        "ollama-generate",
        "loaded",
        {"model": "m", "keep_alive": 5},
        {**_LOADED, "response": "", "done": True, "done_reason": "load"},
    ),
    "a prompt's model unloads": (
        "ollama-generate",
        "loaded",
        {"model": "m", "keep_alive": 0},
        {**_LOADED, "response": "", "done": True, "done_reason": "unload"},
    ),
    "ollama version": ("ollama", "about", {"version": "1.2.3"}, {"version": "0.13.5"}),
}
