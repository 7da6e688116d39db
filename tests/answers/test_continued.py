"""Going on from a response by its id, through the official SDK and strict providers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import openai
import pytest
from msgspec import Struct
from openai.types.responses import Response

from tests.running import Gateway, running
from tests.sdk.told import WEATHER
from tests.upstreams import server
from tests.upstreams.scenario import ANSWER, HELLO
from tests.upstreams.seen import Turn
from tests.upstreams.server import Upstream

CONFIG = """
version: 1
cache: {exact: {enabled: true}}
resilience: {retry: {attempts: 1}}
providers:
  chat:
    format: openai-chat
    base_url: %s
    allow_private_network: true
    connections: {main: {api_key: "${env:HOME}"}}
  claude:
    format: anthropic
    base_url: %s
    allow_private_network: true
    connections: {main: {api_key: "${env:HOME}"}}
  own:
    format: openai-responses
    base_url: %s
    allow_private_network: true
    connections: {main: {api_key: "${env:HOME}"}}
"""
KEYS = f"""
auth: {{require_api_key: true}}
keys:
  one: {{hash: "sha256:{sha256(b"sk-one").hexdigest()}"}}
  two: {{hash: "sha256:{sha256(b"sk-two").hexdigest()}"}}
"""
USER: Any = {"role": "user", "content": "Once more"}
TOOL: Any = {
    "type": "function",
    "name": WEATHER.name,
    "parameters": WEATHER.parameters,
    "strict": False,
}


class Bench(Struct):
    gateway: Gateway
    client: openai.AsyncOpenAI
    chat: Upstream
    claude: Upstream
    own: Upstream


@asynccontextmanager
async def bench(folder: Path) -> AsyncGenerator[Bench]:
    async with AsyncExitStack() as stack:
        chat = await stack.enter_async_context(server.running("openai-chat"))
        claude = await stack.enter_async_context(server.running("anthropic"))
        own = await stack.enter_async_context(server.running("openai-responses"))
        text = CONFIG % (chat.url, claude.url, own.url)
        gateway = await stack.enter_async_context(running(folder, text))
        client = openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="k", max_retries=0)
        await stack.enter_async_context(client)
        yield Bench(gateway, client, chat, claude, own)


async def ask(client: openai.AsyncOpenAI, *, stream: bool, **options: Any) -> Response:
    create: Any = client.responses.create
    if not stream:
        return await create(**options)
    events = [event async for event in await create(stream=True, **options)]
    return events[-1].response


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_the_conversation_is_written_out(tmp_path: Path, *, stream: bool) -> None:
    async with bench(tmp_path) as made:
        first = await ask(made.client, stream=stream, model="chat/text", input="Hi")
        options = {"model": "chat/text", "previous_response_id": first.id}
        second = await ask(made.client, stream=stream, input="Again", **options)
        options["previous_response_id"] = second.id
        third = await ask(made.client, stream=stream, input=[USER], **options)
    assert third.previous_response_id == second.id
    assert len({first.id, second.id, third.id}) == 3
    said = Turn("assistant", (("text", HELLO.whole),))
    assert made.chat.seen[-1].turns == (
        Turn("user", (("text", "Hi"),)),
        said,
        Turn("user", (("text", "Again"),)),
        said,
        Turn("user", (("text", "Once more"),)),
    )


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_result_answers_a_kept_call(tmp_path: Path, *, stream: bool) -> None:
    """With the provider's signed thought in front of its call, which it insists on."""
    async with bench(tmp_path) as made:
        options: dict[str, Any] = {"model": "claude/thinking-tool", "tools": [TOOL]}
        options["reasoning"] = {"effort": "medium"}
        first = await ask(made.client, stream=stream, input="Hi", **options)
        call: Any = next(item for item in first.output if item.type == "function_call")
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "21"}
        options["previous_response_id"] = first.id
        second = await ask(made.client, stream=stream, input=[output], **options)
        assert second.output_text == ANSWER.whole
        assert made.claude.refused == []
        assert made.claude.seen[-1].turns[1].items[0][0] == "thinking"


async def test_a_conversation_moves_to_another_provider(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        first = await ask(made.client, stream=False, model="own/text", input="Hi")
        await ask(
            made.client,
            stream=True,
            model="claude/text",
            input="Again",
            previous_response_id=first.id,
        )
        assert [turn.role for turn in made.claude.seen[-1].turns] == ["user", "assistant", "user"]


async def test_who_made_it_gets_the_id_alone(tmp_path: Path) -> None:
    """The strict server knows no response and says so: the id has reached it."""
    async with bench(tmp_path) as made:
        first = await ask(made.client, stream=False, model="own/text", input="Hi")
        for known in (first.id, "resp_of_another_day"):
            with pytest.raises(openai.BadRequestError, match="'previous_response_id' not found"):
                await ask(
                    made.client,
                    stream=False,
                    model="own/text",
                    input="Again",
                    previous_response_id=known,
                )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("previous_response_id", "resp_none"),
        ("conversation", "conv_1"),
        ("background", True),
        ("prompt", {"id": "p"}),
    ],
    ids=str,
)
async def test_what_is_kept_elsewhere_is_refused(tmp_path: Path, field: str, value: Any) -> None:
    async with bench(tmp_path) as made:
        with pytest.raises(openai.BadRequestError) as raised:
            await ask(made.client, stream=False, model="chat/text", input="Hi", **{field: value})
        assert raised.value.param == field
        assert made.chat.seen == []


@pytest.mark.parametrize("model", ["chat/text", "own/text"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_kept_response_is_read_and_forgotten(
    tmp_path: Path, model: str, *, stream: bool
) -> None:
    async with bench(tmp_path) as made:
        first = await ask(made.client, stream=stream, model=model, input="Hi")
        assert await made.client.responses.retrieve(first.id) == first
        await made.client.responses.delete(first.id)
        with pytest.raises(openai.NotFoundError):
            await made.client.responses.retrieve(first.id)
        with pytest.raises(openai.NotFoundError):
            await made.client.responses.delete(first.id)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_what_shall_not_be_stored_is_not(tmp_path: Path, *, stream: bool) -> None:
    async with bench(tmp_path) as made:
        first = await ask(made.client, stream=stream, model="chat/text", input="Hi", store=False)
        with pytest.raises(openai.NotFoundError) as raised:
            await made.client.responses.retrieve(first.id)
        assert raised.value.param == "response_id"


async def test_no_key_sees_another_keys_responses(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        chat = await stack.enter_async_context(server.running("openai-chat"))
        text = (CONFIG % (chat.url, chat.url, chat.url)) + KEYS
        gateway = await stack.enter_async_context(running(tmp_path, text))
        clients = [
            await stack.enter_async_context(
                openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)
            )
            for key in ("sk-one", "sk-two")
        ]
        first = await ask(clients[0], stream=False, model="chat/text", input="Hi")
        with pytest.raises(openai.NotFoundError):
            await clients[1].responses.retrieve(first.id)
        with pytest.raises(openai.NotFoundError):
            await clients[1].responses.delete(first.id)
        with pytest.raises(openai.BadRequestError):
            await ask(
                clients[1],
                stream=False,
                model="chat/text",
                input="Again",
                previous_response_id=first.id,
            )
        assert await clients[0].responses.retrieve(first.id) == first


async def test_an_answer_from_the_cache_can_be_gone_on_from(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        options: dict[str, Any] = {"model": "chat/text", "input": "Hi", "temperature": 0}
        first = await ask(made.client, stream=False, **options)
        await made.client.responses.delete(first.id)
        again = await ask(made.client, stream=False, **options)
        assert again.id == first.id
        assert await made.client.responses.retrieve(first.id) == first
