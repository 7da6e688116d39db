"""Odd but real requests, to providers that refuse every mistake; the cases are files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
import pytest
import yaml

from tests.matrix.bench import FORMATS, Bench
from tests.sdk.told import PNG

USER: Final = {"role": "user", "content": "Hi"}
PLAIN: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "openai-chat": ("/v1/chat/completions", {"messages": [USER]}),
    "openai-responses": ("/v1/responses", {"input": [USER]}),
    "anthropic": ("/v1/messages", {"max_tokens": 2000, "messages": [USER]}),
    "gemini": (
        "/v1beta/models/{model}:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    ),
    "ollama": ("/api/chat", {"messages": [USER], "stream": False}),
}
HEADERS: Final = {
    "authorization": "Bearer k",
    "anthropic-version": "2023-06-01",
    "content-type": "application/json",
}


def read(client: str) -> dict[str, dict[str, Any]]:
    text = (Path(__file__).parent / "hard" / f"{client}.yaml").read_text()
    return yaml.load(re.sub(r"\bPNG\b", PNG, text), Loader=yaml.CSafeLoader)


CASES = [
    pytest.param(
        client,
        upstream,
        case["send"],
        case.get("refuses", {}).get(upstream),
        id=f"{client}-to-{upstream}-{name.replace(' ', '-')}",
    )
    for client in PLAIN
    if client in FORMATS
    for upstream in FORMATS
    if upstream != client
    for name, case in read(client).items()
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("client", "upstream", "send", "refusal"), CASES)
async def test_every_provider_takes_it(
    table: Bench, client: str, upstream: str, send: dict[str, Any], refusal: str | None
) -> None:
    path, plain = PLAIN[client]
    model = f"up-{upstream}/text"
    body = {**plain, **send} if "{model}" in path else {"model": model, **plain, **send}
    async with httpx.AsyncClient() as http:
        answer = await http.post(
            table.url + path.format(model=model), content=orjson.dumps(body), headers=HEADERS
        )
    assert answer.status_code == (400 if refusal else 200), answer.text
    assert refusal is None or refusal in answer.text
