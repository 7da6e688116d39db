"""The `google-genai` package."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
from google import genai
from google.genai import types

from tests.sdk.told import Answer, Called, Counted, Told, Wish, sorted_json


class GeminiSdk:
    name = "gemini"

    @asynccontextmanager
    async def open(self, base_url: str, *, key: str = "test-key") -> AsyncGenerator[Talker]:
        async with httpx.AsyncClient() as http:
            options = types.HttpOptions(base_url=base_url, httpx_async_client=http)
            client = genai.Client(api_key=key, http_options=options)
            try:
                yield Talker(client)
            finally:
                client.close()

    def error(self, raised: Exception) -> tuple[str, int | None, str]:
        return type(raised).__name__, getattr(raised, "code", None), str(raised)


class Talker:
    def __init__(self, client: genai.Client) -> None:
        self._client = client

    def start(self, wish: Wish) -> Conversation:
        return Conversation(self._client, wish)


class Conversation:
    def __init__(self, client: genai.Client, wish: Wish) -> None:
        self._client = client
        self._wish = wish
        self._config = _config(wish)
        self._contents: list[types.Content] = []

    async def say(self, text: str, *, image: str | None = None) -> Told:
        parts = [types.Part(text=text)]
        if image is not None:
            blob = types.Blob(mime_type="image/png", data=base64.b64decode(image))
            parts.append(types.Part(inline_data=blob))
        self._contents.append(types.Content(role="user", parts=parts))
        return await self._ask()

    async def answer(self, answers: list[Answer]) -> Told:
        """An image in a tool's result has a place only with the newest models; left out."""
        parts = [
            types.Part(
                function_response=types.FunctionResponse(
                    id=answer.call.id or None,
                    name=answer.call.name,
                    response={"error" if answer.is_error else "output": answer.text},
                )
            )
            for answer in answers
        ]
        self._contents.append(types.Content(role="user", parts=parts))
        return await self._ask()

    async def _ask(self) -> Told:
        models = cast("Any", self._client.aio.models)
        options = {
            "model": self._wish.model,
            "contents": self._contents,
            "config": self._config,
        }
        answers: list[types.GenerateContentResponse]
        if self._wish.stream:
            stream = await models.generate_content_stream(**options)
            answers = [answer async for answer in stream]
            assert len({answer.response_id for answer in answers}) == 1
        else:
            answers = [await models.generate_content(**options)]
        parts, finish = _joined(answers)
        if parts:
            self._contents.append(types.Content(role="model", parts=parts))
        return _told(parts, finish, answers)


def _joined(
    answers: list[types.GenerateContentResponse],
) -> tuple[list[types.Part], types.FinishReason | None]:
    parts: list[types.Part] = []
    finish: types.FinishReason | None = None
    for answer in answers:
        for candidate in answer.candidates or ():
            assert finish is None, "nothing follows the finish reason"
            finish = candidate.finish_reason
            content = candidate.content
            assert content is None or content.role == "model"
            parts += (content and content.parts) or []
    return [part for part in parts if part.text != "" or part.thought_signature], finish


def _told(
    parts: list[types.Part],
    finish: types.FinishReason | None,
    answers: list[types.GenerateContentResponse],
) -> Told:
    calls: list[Called] = []
    for part in parts:
        call = part.function_call
        if call is not None:
            calls.append(Called(call.id or "", call.name or "", sorted_json(call.args or {})))
    feedback = answers[-1].prompt_feedback
    blocked = feedback.block_reason if feedback else None
    stop = finish or blocked
    return Told(
        text="".join(part.text or "" for part in parts if not part.thought),
        thinking="".join(part.text or "" for part in parts if part.thought),
        calls=tuple(calls),
        stop=None if stop is None else stop.value,
        usage=_counted(answers[-1].usage_metadata),
    )


def _counted(usage: types.GenerateContentResponseUsageMetadata | None) -> Counted | None:
    if usage is None:
        return None
    thoughts = usage.thoughts_token_count or 0
    output = (usage.candidates_token_count or 0) + thoughts
    assert usage.total_token_count == (usage.prompt_token_count or 0) + output
    return Counted(
        input=usage.prompt_token_count or 0,
        cached=usage.cached_content_token_count or 0,
        output=output,
        reasoning=thoughts,
    )


def _config(wish: Wish) -> dict[str, Any]:
    config: dict[str, Any] = {"automatic_function_calling": {"disable": True}}
    if wish.tools:
        declared = [
            types.FunctionDeclaration(
                name=tool.name,
                description=tool.description,
                parameters_json_schema=tool.parameters,
            )
            for tool in wish.tools
        ]
        config["tools"] = [types.Tool(function_declarations=declared)]
    if wish.tool_choice is not None:
        modes = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
        calling: dict[str, Any] = {"mode": modes.get(wish.tool_choice, "ANY")}
        if wish.tool_choice not in modes:
            calling["allowed_function_names"] = [wish.tool_choice]
        config["tool_config"] = {"function_calling_config": calling}
    if wish.schema is not None:
        config["response_mime_type"] = "application/json"
        config["response_json_schema"] = wish.schema
    if wish.effort is not None:
        level = {"thinking_level": wish.effort.upper(), "include_thoughts": True}
        config["thinking_config"] = level
    named = {
        "system_instruction": wish.system,
        "max_output_tokens": wish.max_tokens,
        "temperature": wish.temperature,
        "stop_sequences": list(wish.stop) or None,
    }
    return config | {key: value for key, value in named.items() if value is not None}
