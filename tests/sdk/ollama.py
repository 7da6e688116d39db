"""The `ollama` package."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import ollama

from tests.sdk.told import Answer, Called, Counted, Told, Wish, sorted_json


class OllamaSdk:
    name = "ollama"

    @asynccontextmanager
    async def open(self, base_url: str, *, key: str = "test-key") -> AsyncGenerator[Talker]:
        client: Any = ollama.AsyncClient(base_url, headers={"Authorization": f"Bearer {key}"})
        async with client:
            yield Talker(client)

    def error(self, raised: Exception) -> tuple[str, int | None, str]:
        return type(raised).__name__, getattr(raised, "status_code", None), str(raised)


class Talker:
    def __init__(self, client: ollama.AsyncClient) -> None:
        self._client = client

    def start(self, wish: Wish) -> Conversation:
        return Conversation(self._client, wish)


class Conversation:
    def __init__(self, client: ollama.AsyncClient, wish: Wish) -> None:
        self._client = client
        self._stream = wish.stream
        self._options = _options(wish)
        self._messages: list[Any] = []
        if wish.system is not None:
            self._messages.append({"role": "system", "content": wish.system})

    async def say(self, text: str, *, image: str | None = None) -> Told:
        message: dict[str, Any] = {"role": "user", "content": text}
        if image is not None:
            message["images"] = [base64.b64decode(image)]
        self._messages.append(message)
        return await self._ask()

    async def answer(self, answers: list[Answer]) -> Told:
        """The format has no mark for errors."""
        for answer in answers:
            message: dict[str, Any] = {"role": "tool", "content": answer.text}
            message["tool_name"] = answer.call.name
            if answer.image is not None:
                message["images"] = [base64.b64decode(answer.image)]
            self._messages.append(message)
        return await self._ask()

    async def _ask(self) -> Told:
        chat = cast("Any", self._client).chat
        answers: list[ollama.ChatResponse]
        if self._stream:
            stream = await chat(messages=self._messages, stream=True, **self._options)
            answers = [answer async for answer in stream]
        else:
            answers = [await chat(messages=self._messages, **self._options)]
        assert [bool(answer.done) for answer in answers] == [False] * (len(answers) - 1) + [True]
        messages = [answer.message for answer in answers]
        calls = [call for message in messages for call in message.tool_calls or ()]
        whole = ollama.Message(
            role="assistant",
            content="".join(message.content or "" for message in messages),
            thinking="".join(message.thinking or "" for message in messages) or None,
            tool_calls=calls or None,
        )
        self._messages.append(whole)
        return _told(whole, answers[-1])


def _told(message: ollama.Message, last: ollama.ChatResponse) -> Told:
    return Told(
        text=message.content or "",
        thinking=message.thinking or "",
        calls=tuple(
            Called("", call.function.name, sorted_json(dict(call.function.arguments)))
            for call in message.tool_calls or ()
        ),
        stop=last.done_reason,
        usage=Counted(
            input=last.prompt_eval_count or 0, cached=0, output=last.eval_count or 0, reasoning=0
        ),
    )


def _options(wish: Wish) -> dict[str, Any]:
    """The format has no tool choice."""
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
    if wish.schema is not None:
        options["format"] = wish.schema
    if wish.effort is not None:
        options["think"] = wish.effort
    named = {
        "num_predict": wish.max_tokens,
        "temperature": wish.temperature,
        "stop": list(wish.stop) or None,
    }
    options["options"] = {key: value for key, value in named.items() if value is not None}
    return options
