"""Which path speaks which wire format: the one place where client formats meet URLs.

Formats are names of tables; what they mean stands in `translators/`. A path that is not listed is
answered in the envelope of its prefix, so that every SDK can read its own error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from omniroute.config.model import ModelKind

DEFAULT_FORMAT: Final = "openai-chat"


class Endpoint(Struct, frozen=True, kw_only=True):
    """A POST that carries a request in a client's format, model and stream flag in its body.

    A path with `<provider>` is bound to that provider.
    """

    path: str
    format: str
    kind: ModelKind = "chat"
    loads_without: str | None = None
    """The member without which a request only loads a model."""
    empty: Mapping[str, object] = {}
    """The answer's part that says nothing, when a model was only loaded."""


_CHAT_LOADS: Final[Mapping[str, object]] = {"message": {"role": "assistant", "content": ""}}

ENDPOINTS: Final = (
    Endpoint(path="/v1/chat/completions", format="openai-chat"),
    Endpoint(path="/v1/providers/<provider:str>/chat/completions", format="openai-chat"),
    Endpoint(path="/v1/responses", format="openai-responses"),
    Endpoint(path="/v1/messages", format="anthropic"),
    Endpoint(path="/v1/api/chat", format="ollama", loads_without="messages", empty=_CHAT_LOADS),
    Endpoint(path="/api/chat", format="ollama", loads_without="messages", empty=_CHAT_LOADS),
    Endpoint(
        path="/api/generate",
        format="ollama-generate",
        loads_without="prompt",
        empty={"response": ""},
    ),
)

_PREFIXES: Final[tuple[tuple[str, str], ...]] = (
    ("/v1/messages", "anthropic"),
    ("/v1/responses", "openai-responses"),
    ("/v1beta/", "gemini"),
    ("/v1/api/", "ollama"),
    ("/api/chat", "ollama"),
    ("/api/generate", "ollama"),
    ("/api/tags", "ollama"),
    ("/api/show", "ollama"),
    ("/api/version", "ollama"),
    ("/api/embed", "ollama"),
)
_GEMINI_ACTIONS: Final = (
    ":generateContent",
    ":streamGenerateContent",
    ":countTokens",
    ":embedContent",
    ":batchEmbedContents",
)
MANAGEMENT: Final = "management"


def envelope_of(path: str, headers: Mapping[str, str]) -> str:
    """The format whose error envelope a client of `path` can read, or MANAGEMENT."""
    for prefix, name in _PREFIXES:
        if path.startswith(prefix):
            return name
    if path.startswith("/api/") or path == "/metrics":
        return MANAGEMENT
    if path.startswith("/v1/models"):
        return "gemini" if path.endswith(_GEMINI_ACTIONS) else models_format(headers)
    return DEFAULT_FORMAT


def models_format(headers: Mapping[str, str]) -> str:
    """`/v1/models` is one path for three SDKs; their own headers tell them apart."""
    if "anthropic-version" in headers:
        return "anthropic"
    if "x-goog-api-key" in headers:
        return "gemini"
    return DEFAULT_FORMAT
