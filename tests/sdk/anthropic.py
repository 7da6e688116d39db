"""The `anthropic` package."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import anthropic
from anthropic.types import Message

from tests.sdk.told import Answer, Called, Counted, Told, Wish, sorted_json


class AnthropicSdk:
    name = "anthropic"

    @asynccontextmanager
    async def open(self, base_url: str, *, key: str = "test-key") -> AsyncGenerator[Talker]:
        async with anthropic.AsyncAnthropic(
            base_url=base_url, api_key=key, max_retries=0
        ) as client:
            yield Talker(client)

    def error(self, raised: Exception) -> tuple[str, int | None, str]:
        return type(raised).__name__, getattr(raised, "status_code", None), str(raised)


class Talker:
    def __init__(self, client: anthropic.AsyncAnthropic) -> None:
        self._client = client

    def start(self, wish: Wish) -> Conversation:
        return Conversation(self._client, wish)


class Conversation:
    def __init__(self, client: anthropic.AsyncAnthropic, wish: Wish) -> None:
        self._client = client
        self._stream = wish.stream
        self._options = _options(wish)
        self._messages: list[dict[str, Any]] = []

    async def say(self, text: str, *, image: str | None = None) -> Told:
        content: list[dict[str, Any]] = [{"type": "text", "text": text}]
        if image is not None:
            content.append(_image(image))
        self._messages.append({"role": "user", "content": content})
        return await self._ask()

    async def answer(self, answers: list[Answer]) -> Told:
        content: list[dict[str, Any]] = []
        for answer in answers:
            inner: Any = answer.text
            if answer.image is not None:
                inner = [{"type": "text", "text": answer.text}, _image(answer.image)]
            block: dict[str, Any] = {"type": "tool_result", "tool_use_id": answer.call.id}
            block["content"] = inner
            if answer.is_error:
                block["is_error"] = True
            content.append(block)
        self._messages.append({"role": "user", "content": content})
        return await self._ask()

    async def _ask(self) -> Told:
        options = {**self._options, "messages": self._messages}
        if self._stream:
            async with cast("Any", self._client.messages.stream)(**options) as stream:
                events = [event async for event in stream]
                message: Message = await stream.get_final_message()
            _check_order([event.type for event in events])
        else:
            message = await cast("Any", self._client.messages.create)(**options)
        assert message.type == "message"
        assert message.role == "assistant"
        content = [block.to_dict() for block in message.content]
        self._messages.append({"role": "assistant", "content": _sent_back(content)})
        return _told(message)


def _check_order(kinds: list[str]) -> None:
    """The helper adds events of its own (`text`, …); these are the wire's."""
    wire = [kind for kind in kinds if kind.startswith(("message_", "content_block_"))]
    assert wire[0] == "message_start"
    assert wire[-2:] == ["message_delta", "message_stop"]
    opened = False
    for kind in wire[1:-2]:
        assert opened == (kind != "content_block_start"), wire
        opened = kind != "content_block_stop"
    assert not opened


def _sent_back(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what only answers have, as the SDK's types for requests say."""
    return [
        {key: value for key, value in block.items() if value is not None and key != "parsed_output"}
        for block in content
    ]


def _told(message: Message) -> Told:
    text, thinking = "", ""
    calls: list[Called] = []
    for block in message.content:
        match block.type:
            case "text":
                text += block.text
            case "thinking":
                thinking += block.thinking
                assert block.signature
            case "redacted_thinking":
                assert block.data
            case "tool_use":
                assert isinstance(block.input, dict)
                calls.append(Called(block.id, block.name, sorted_json(block.input)))
            case kind:
                raise AssertionError(kind)
    stop = message.stop_reason
    if stop == "stop_sequence":
        stop = f"stop_sequence:{message.stop_sequence}"
    return Told(
        text=text,
        thinking=thinking,
        calls=tuple(calls),
        stop=stop,
        usage=_counted(message),
    )


def _counted(message: Message) -> Counted:
    usage = message.usage
    cached = usage.cache_read_input_tokens or 0
    written = usage.cache_creation_input_tokens or 0
    details = usage.output_tokens_details
    return Counted(
        input=usage.input_tokens + cached + written,
        cached=cached,
        output=usage.output_tokens,
        reasoning=(details and details.thinking_tokens) or 0,
    )


def _image(data: str) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "image/png", "data": data}
    return {"type": "image", "source": source}


def _options(wish: Wish) -> dict[str, Any]:
    options: dict[str, Any] = {"model": wish.model, "max_tokens": wish.max_tokens or 4096}
    if wish.system is not None:
        options["system"] = wish.system
    if wish.tools:
        options["tools"] = [
            {
                "name": tool.name,
                "description": tool.description,
                "input_schema": tool.parameters,
            }
            for tool in wish.tools
        ]
    if wish.tool_choice is not None:
        kinds = {"auto": "auto", "none": "none", "required": "any"}
        kind = kinds.get(wish.tool_choice)
        options["tool_choice"] = (
            {"type": "tool", "name": wish.tool_choice} if kind is None else {"type": kind}
        )
    config: dict[str, Any] = {}
    if wish.schema is not None:
        config["format"] = {"type": "json_schema", "schema": wish.schema}
    if wish.effort is not None:
        config["effort"] = wish.effort
        options["thinking"] = {"type": "enabled", "budget_tokens": 2048}
    if config:
        options["output_config"] = config
    if wish.stop:
        options["stop_sequences"] = list(wish.stop)
    if wish.temperature is not None:
        options["extra_body"] = {"temperature": wish.temperature}
    return options
