"""Conversations in short, as Codex asks for them: at a path of their own, and by a last item."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import openai
import pytest
import pytest_asyncio

from tests.running import Gateway, running
from tests.upstreams.scenario import HELLO, Scenario, Text
from tests.upstreams.seen import Seen
from tests.upstreams.server import Upstream
from tests.upstreams.server import running as provider

pytestmark = pytest.mark.asyncio(loop_scope="module")
FORMATS = ("openai-chat", "anthropic", "gemini", "ollama")
SUMMARY = Text(("They want tea.", " The kettle is on."))
HISTORY: list[Any] = [
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Make tea."}]},
    {"type": "function_call", "call_id": "call_1", "name": "boil", "arguments": '{"l": 1}'},
    {"type": "function_call_output", "call_id": "call_1", "output": "it boils"},
]
TOOLS: list[Any] = [
    {"type": "function", "name": "boil", "parameters": {"type": "object", "properties": {}}}
]
TRIGGER: Any = {"type": "compaction_trigger"}


def decide(seen: Seen) -> Scenario:
    last = seen.turns[-1].items[-1]
    is_asked = last[0] == "text" and "Sum up this conversation" in last[1]
    return Scenario(blocks=(SUMMARY if is_asked else HELLO,))


class Lab:
    def __init__(self, gateway: Gateway, upstreams: dict[str, Upstream]) -> None:
        self.gateway = gateway
        self.upstreams = upstreams
        self.client = openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Lab]:
    async with AsyncExitStack() as stack:
        upstreams = {
            format: await stack.enter_async_context(provider(format, decide=decide))
            for format in (*FORMATS, "openai-responses")
        }
        providers = {
            format: {
                "format": format,
                "base_url": upstream.url,
                "allow_private_network": True,
                "connections": {"main": {"api_key": "good-key"}},
            }
            for format, upstream in upstreams.items()
        }
        text = json.dumps({"version": 1, "providers": providers})
        folder = tmp_path_factory.mktemp("compacting")
        lab = Lab(await stack.enter_async_context(running(folder, text)), upstreams)
        yield lab
        await lab.client.close()


def summary_told(upstream: Upstream) -> bool:
    """Whether the last request tells of what was summed up, as something that the user says."""
    turn = upstream.seen[-1].turns[0]
    return turn.role == "user" and any(SUMMARY.whole in item[1] for item in turn.items)


@pytest.mark.parametrize("format", FORMATS)
async def test_a_conversation_is_made_short_and_gone_on_from(lab: Lab, format: str) -> None:
    upstream = lab.upstreams[format]
    made = await lab.client.responses.compact(
        model=f"{format}/any", input=HISTORY, instructions="Be brief.", extra_body={"tools": TOOLS}
    )
    assert made.object == "response.compaction"
    said, compaction = made.output
    assert said.to_dict(warnings=False) == HISTORY[0]
    assert compaction.type == "compaction"
    assert made.usage.output_tokens > 0
    asked = upstream.seen[-1]
    assert (asked.system, asked.turns[1].items[0][0]) == ("Be brief.", "call")

    output: list[Any] = [item.to_dict(warnings=False) for item in made.output]
    for model in (f"{format}/any", "anthropic/any"):  # and with a provider that did not make it
        await lab.client.responses.create(
            model=model, input=[*output, {"role": "user", "content": "And now?"}]
        )
        assert summary_told(lab.upstreams[model.partition("/")[0]])


@pytest.mark.parametrize("format", FORMATS)
async def test_a_trigger_in_a_stream_is_answered_with_one_item(lab: Lab, format: str) -> None:
    stream = await lab.client.responses.create(
        model=f"{format}/any",
        input=[*HISTORY, TRIGGER],
        tools=TOOLS,
        text={"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
        stream=True,
    )
    events = [event async for event in stream]
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert [item.type for item in done] == ["compaction"]
    assert {event.type for event in events} == {
        *("response.created", "response.in_progress", "response.completed"),
        *("response.output_item.added", "response.output_item.done"),
    }
    seen = lab.upstreams[format].seen[-1]
    assert (seen.tool_choice if seen.tools else "none", seen.schema) == ("none", None)


async def test_what_was_summed_up_here_is_a_text_to_providers_of_the_format(lab: Lab) -> None:
    made = await lab.client.responses.compact(model="openai-chat/any", input="Make tea.")
    output: list[Any] = [item.to_dict(warnings=False) for item in made.output]
    raw = await lab.client.responses.with_raw_response.create(
        model="openai-responses/any", input=[*output, {"role": "user", "content": "And now?"}]
    )
    assert "x-omniroute-dropped" not in raw.headers
    assert summary_told(lab.upstreams["openai-responses"])


async def test_the_formats_own_provider_compacts_itself(lab: Lab) -> None:
    made = await lab.client.responses.compact(model="openai-responses/any", input=HISTORY)
    assert [item.type for item in made.output] == ["message", "compaction"]
    theirs: Any = made.output[1].to_dict(warnings=False)
    assert theirs["encrypted_content"] == "theirs"
    received = lab.upstreams["openai-responses"].received[-1]
    assert received.body["input"] == [*HISTORY, TRIGGER]

    with pytest.raises(openai.BadRequestError, match="only by the provider that made it"):
        await lab.client.responses.create(model="gemini/any", input=[theirs, HISTORY[0]])


async def test_an_answer_without_one_is_told(lab: Lab) -> None:
    told = await lab.gateway.client.post(
        "/v1/responses/compact", json={"model": "openai-responses/deaf", "input": "Make tea."}
    )
    assert told.status_code == 502, told.text
    assert "did not compact" in told.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"[]", b"{", b"", b'{"model": "gemini/any", "input": 5}'])
async def test_what_is_no_request_is_a_400(lab: Lab, body: bytes) -> None:
    told = await lab.gateway.client.post("/v1/responses/compact", content=body)
    assert told.status_code == 400, told.text
