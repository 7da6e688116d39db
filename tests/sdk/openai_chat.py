"""The `openai` package, chat completions."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.sdk.told import Answer, Called, Counted, Told, Wish, sorted_json


class OpenaiChatSdk:
    name = "openai-chat"

    @asynccontextmanager
    async def open(self, base_url: str, *, key: str = "test-key") -> AsyncGenerator[Talker]:
        url = f"{base_url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as client:
            yield Talker(client)

    def error(self, raised: Exception) -> tuple[str, int | None, str]:
        return type(raised).__name__, getattr(raised, "status_code", None), str(raised)


class Talker:
    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._client = client

    def start(self, wish: Wish) -> Conversation:
        return Conversation(self._client, wish)


class Conversation:
    def __init__(self, client: openai.AsyncOpenAI, wish: Wish) -> None:
        self._client = client
        self._stream = wish.stream
        self._options = _options(wish)
        self._messages: list[dict[str, Any]] = []
        if wish.system is not None:
            self._messages.append({"role": "system", "content": wish.system})

    async def say(self, text: str, *, image: str | None = None) -> Told:
        content: Any = text
        if image is not None:
            url = {"url": f"data:image/png;base64,{image}"}
            content = [{"type": "text", "text": text}, {"type": "image_url", "image_url": url}]
        self._messages.append({"role": "user", "content": content})
        return await self._ask()

    async def answer(self, answers: list[Answer]) -> Told:
        """The format has neither a mark for errors nor a place for images."""
        for answer in answers:
            message = {"role": "tool", "tool_call_id": answer.call.id, "content": answer.text}
            self._messages.append(message)
        return await self._ask()

    async def _ask(self) -> Told:
        create = cast("Any", self._client.chat.completions.create)
        if self._stream:
            chunks = await create(
                messages=self._messages,
                stream=True,
                stream_options={"include_usage": True},
                **self._options,
            )
            message, told = _fold([chunk async for chunk in chunks])
        else:
            completion: ChatCompletion = await create(messages=self._messages, **self._options)
            assert completion.object == "chat.completion"
            choice = completion.choices[0]
            told = _told(choice.message.to_dict(), choice.finish_reason, completion.usage)
            message = choice.message.to_dict()
        self._messages.append(_sent_back(message))
        return told


def _sent_back(message: dict[str, Any]) -> dict[str, Any]:
    """What applications keep of an answer: the fields that the SDK types for a request."""
    kept = {"role": "assistant", "content": message.get("content")}
    for field in ("tool_calls", "refusal"):
        if message.get(field):
            kept[field] = message[field]
    return kept


def _fold(chunks: list[ChatCompletionChunk]) -> tuple[dict[str, Any], Told]:
    """The message that the chunks spell; insists on the order that clients rely on."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    calls: list[dict[str, Any]] = []
    finish: str | None = None
    usage = None
    assert len({chunk.id for chunk in chunks}) == 1, "one id for all chunks"
    for chunk in chunks:
        assert chunk.object == "chat.completion.chunk"
        if not chunk.choices:
            assert usage is None, "usage comes once"
            assert chunk is chunks[-1], "usage comes last"
            usage = chunk.usage
            continue
        assert chunk.usage is None
        (choice,) = chunk.choices
        assert finish is None, "nothing follows the finish reason"
        finish = choice.finish_reason
        delta = choice.delta.to_dict()
        for field in ("content", "refusal", "reasoning_content"):
            if delta.get(field):
                message[field] = (message.get(field) or "") + cast("str", delta[field])
        for part in choice.delta.tool_calls or ():
            function = part.function
            assert function is not None
            if part.index == len(calls):
                assert part.id, "a call begins with its id"
                assert function.name, "a call begins with its name"
                calls.append(
                    {
                        "id": part.id,
                        "type": "function",
                        "function": {"name": function.name, "arguments": ""},
                    }
                )
            else:
                assert part.index < len(calls), "indexes are dense"
                assert not function.name, "the name comes once"
            calls[part.index]["function"]["arguments"] += function.arguments or ""
    assert finish is not None, "a stream ends with a finish reason"
    if calls:
        message["tool_calls"] = calls
    return message, _told(message, finish, usage)


def _told(message: dict[str, Any], finish: str | None, usage: Any) -> Told:
    calls = tuple(
        Called(call["id"], call["function"]["name"], sorted_json(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    )
    assert all(len(call.id) <= 40 for call in calls)
    return Told(
        text=message.get("content") or "",
        thinking=message.get("reasoning_content") or "",
        refusal=message.get("refusal") or "",
        calls=calls,
        stop=finish,
        usage=None if usage is None else _counted(usage),
    )


def _counted(usage: Any) -> Counted:
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return Counted(
        input=usage.prompt_tokens,
        cached=(prompt and prompt.cached_tokens) or 0,
        output=usage.completion_tokens,
        reasoning=(completion and completion.reasoning_tokens) or 0,
    )


def _options(wish: Wish) -> dict[str, Any]:
    options: dict[str, Any] = {"model": wish.model}
    if wish.tools:
        options["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                },
            }
            for tool in wish.tools
        ]
    if wish.tool_choice in ("auto", "none", "required"):
        options["tool_choice"] = wish.tool_choice
    elif wish.tool_choice:
        options["tool_choice"] = {"type": "function", "function": {"name": wish.tool_choice}}
    if wish.schema is not None:
        wanted = {"name": "answer", "schema": wish.schema, "strict": True}
        options["response_format"] = {"type": "json_schema", "json_schema": wanted}
    named = {
        "reasoning_effort": wish.effort,
        "max_completion_tokens": wish.max_tokens,
        "temperature": wish.temperature,
        "stop": list(wish.stop) or None,
    }
    return options | {key: value for key, value in named.items() if value is not None}
