"""What one request may hold, as clients of every format are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from tests.running import ECHO, running

CONFIG: Final = (
    ECHO
    + """
server:
  limits: {messages: 3, tools: 2, fields: 10, values: 1000, name: 16B, depth: 12}
"""
)
CHAT: Final = "/v1/chat/completions"
GEMINI: Final = "/v1beta/models/echo:generateContent"
SAID: Final = {"role": "user", "content": "hi"}
SAID_IN_PARTS: Final = {"role": "user", "parts": [{"text": "hi"}]}


def _deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


ROWS: Final[list[tuple[str, dict[str, Any], str, str]]] = [
    (CHAT, {"messages": [SAID] * 4}, "messages", "messages"),
    (CHAT, {"tools": [{}] * 3}, "tools", "tools"),
    (CHAT, {"model": "m" * 17}, "model", "name"),
    (CHAT, {f"f{i}": 1 for i in range(11)}, "f8", "fields"),
    (CHAT, {"metadata": [1] * 2000}, "metadata", "values"),
    (CHAT, {"metadata": _deep(12)}, "metadata", "depth"),
    (CHAT, {"tools": [{"function": {"name": "n" * 17}}]}, "tools[].function.name", "name"),
    ("/v1/messages", {"messages": [SAID] * 4, "max_tokens": 1}, "messages", "messages"),
    ("/v1/messages/count_tokens", {"messages": [SAID] * 4}, "messages", "messages"),
    ("/v1/responses", {"input": [SAID] * 4}, "input", "messages"),
    ("/api/chat", {"messages": [SAID] * 4}, "messages", "messages"),
    ("/api/generate", {"prompt": "hi", "images": [""] * 4}, "images", "messages"),
    (GEMINI, {"contents": [SAID_IN_PARTS] * 4}, "contents", "messages"),
    (GEMINI, {"tools": [{"functionDeclarations": [{}] * 3}]}, "functionDeclarations", "tools"),
    (GEMINI.replace("echo", "e" * 17), {"contents": [SAID_IN_PARTS]}, "model", "name"),
    ("/api/show", {"model": _deep(12)}, "nested", "depth"),
]
"""Path, members of the body, what the refusal names, and the limit."""


@pytest.mark.parametrize(("path", "body", "field", "limit"), ROWS)
async def test_a_request_beyond_a_limit_is_refused_by_name(
    tmp_path: Path, path: str, body: dict[str, Any], field: str, limit: str
) -> None:
    async with running(tmp_path, CONFIG) as gateway:
        known = {} if path == GEMINI else {"model": "echo", "messages": [SAID]}
        reply = await gateway.client.post(path, json=(known if path == CHAT else {}) | body)
        assert reply.status_code == 400, reply.text
        assert f"server.limits.{limit}" in reply.text
        assert field in reply.text
        assert "error" in reply.json()
