"""The `openai` package, responses."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import openai
from openai.types.responses import Response

from tests.sdk.told import Answer, Called, Counted, StreamFailedError, Told, Wish, sorted_json


class OpenaiResponsesSdk:
    name = "openai-responses"

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
        self._input: list[dict[str, Any]] = []

    async def say(self, text: str, *, image: str | None = None) -> Told:
        content: Any = text
        if image is not None:
            url = f"data:image/png;base64,{image}"
            part = {"type": "input_image", "image_url": url, "detail": "auto"}
            content = [{"type": "input_text", "text": text}, part]
        self._input.append({"role": "user", "content": content})
        return await self._ask()

    async def answer(self, answers: list[Answer]) -> Told:
        """The format has no mark for errors."""
        for answer in answers:
            output: Any = answer.text
            if answer.image is not None:
                url = f"data:image/png;base64,{answer.image}"
                part = {"type": "input_image", "image_url": url, "detail": "auto"}
                output = [{"type": "input_text", "text": answer.text}, part]
            item = {"type": "function_call_output", "call_id": answer.call.id, "output": output}
            self._input.append(item)
        return await self._ask()

    async def _ask(self) -> Told:
        create = cast("Any", self._client.responses.create)
        if self._stream:
            events = await create(input=self._input, stream=True, **self._options)
            response = _last([event async for event in events])
        else:
            response = await create(input=self._input, **self._options)
        self._input += [item.to_dict() for item in response.output]
        return _told(response)


def _last(events: list[Any]) -> Response:
    """The response that the stream ends with; insists on the order that clients rely on."""
    numbers = [event.sequence_number for event in events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    kinds = [event.type for event in events]
    if kinds[-1] == "error":
        raise StreamFailedError(events[-1].message)
    if kinds[-1] == "response.failed":
        raise StreamFailedError(events[-1].response.error.message)
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] in ("response.completed", "response.incomplete"), kinds[-1]
    response: Response = events[-1].response
    added = {e.output_index: e.item for e in events if e.type == "response.output_item.added"}
    done = {e.output_index: e.item for e in events if e.type == "response.output_item.done"}
    assert sorted(added) == sorted(done) == list(range(len(response.output)))
    assert [done[index].to_dict() for index in sorted(done)] == [
        item.to_dict() for item in response.output
    ]
    assert [added[index].id for index in sorted(added)] == [item.id for item in response.output]
    told = _told(response)
    assert _joined(events, "response.output_text.delta") == told.text
    assert _joined(events, "response.refusal.delta") == told.refusal
    assert _joined(events, "response.reasoning_summary_text.delta") == told.thinking
    for index, item in enumerate(response.output):
        mine = [event for event in events if getattr(event, "output_index", None) == index]
        assert mine[0].type == "response.output_item.added"
        assert mine[-1].type == "response.output_item.done"
        if item.type == "function_call":
            assert _joined(mine, "response.function_call_arguments.delta") == item.arguments
        if item.type == "message":
            assert mine[1].type == "response.content_part.added"
            assert mine[-2].type == "response.content_part.done"
    return response


def _joined(events: list[Any], kind: str) -> str:
    return "".join(event.delta for event in events if event.type == kind)


def _told(response: Response) -> Told:
    text, refusal, thinking = "", "", ""
    calls: list[Called] = []
    for item in response.output:
        match item.type:
            case "message":
                for part in item.content:
                    if part.type == "output_text":
                        text += part.text
                    else:
                        refusal += part.refusal
            case "function_call":
                assert len(item.call_id) <= 64
                assert item.id is None or item.id.startswith("fc_")
                calls.append(Called(item.call_id, item.name, sorted_json(item.arguments)))
            case "reasoning":
                thinking += "".join(part.text for part in item.summary)
            case kind:
                raise AssertionError(kind)
    details = response.incomplete_details
    return Told(
        text=text,
        thinking=thinking,
        refusal=refusal,
        calls=tuple(calls),
        stop=(details and details.reason) or response.status,
        usage=_counted(response),
    )


def _counted(response: Response) -> Counted | None:
    usage = response.usage
    if usage is None:
        return None
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    return Counted(
        input=usage.input_tokens,
        cached=usage.input_tokens_details.cached_tokens,
        output=usage.output_tokens,
        reasoning=usage.output_tokens_details.reasoning_tokens,
    )


def _options(wish: Wish) -> dict[str, Any]:
    options: dict[str, Any] = {"model": wish.model, "store": False}
    if wish.tools:
        options["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": False,
            }
            for tool in wish.tools
        ]
    if wish.tool_choice in ("auto", "none", "required"):
        options["tool_choice"] = wish.tool_choice
    elif wish.tool_choice:
        options["tool_choice"] = {"type": "function", "name": wish.tool_choice}
    if wish.schema is not None:
        wanted = {"type": "json_schema", "name": "answer", "schema": wish.schema, "strict": True}
        options["text"] = {"format": wanted}
    if wish.effort is not None:
        options["reasoning"] = {"effort": wish.effort, "summary": "auto"}
        options["include"] = ["reasoning.encrypted_content"]
    named = {
        "instructions": wish.system,
        "max_output_tokens": wish.max_tokens,
        "temperature": wish.temperature,
    }
    return options | {key: value for key, value in named.items() if value is not None}
