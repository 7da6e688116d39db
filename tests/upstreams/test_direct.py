"""The official SDKs against the fake providers of their own format, with nothing in between.

What fails here is wrong in the fake; what passes is what the SDKs can be given through a gateway.
"""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import ollama
import openai
import pytest
from google import genai
from google.genai import types

from tests.sdk.all import SDKS
from tests.sdk.told import ANSWER, CLOCK, PNG, WEATHER, Answer, Called, Counted, Told, Wish
from tests.upstreams.scenario import ANSWER as ANSWER_TEXT
from tests.upstreams.scenario import SCENARIOS, THOUGHT, Call, Refused, Text, Thinking
from tests.upstreams.seen import Turn, canonical
from tests.upstreams.server import DIALECTS, Upstream, running

ANSWERED = [
    name
    for name, scenario in SCENARIOS.items()
    if scenario.failure is None and scenario.cut is None and not name.startswith("thinking")
]
pytestmark = pytest.mark.parametrize("name", DIALECTS)
streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
SILENT = {"openai-chat"}
"""Formats that give no thoughts away."""
NO_CACHE = {"ollama"}


def wish_for(model: str, *, stream: bool) -> Wish:
    scenario = SCENARIOS[model]
    return Wish(
        model=model,
        stream=stream,
        system="Be brief.",
        tools=(WEATHER, CLOCK) if scenario.needs == "tools" else (),
        schema=ANSWER if scenario.needs == "schema" else None,
        effort="medium" if model.startswith("thinking") else None,
    )


def expected(name: str, model: str) -> Told:
    """What the scenario says, where every format has a place for it; stops are compared below."""
    scenario = SCENARIOS[model]
    blocks = scenario.blocks
    usage = scenario.usage
    tools = (WEATHER, CLOCK)
    return Told(
        text="".join(b.whole for b in blocks if isinstance(b, Text)),
        refusal="".join(b.whole for b in blocks if isinstance(b, Refused)),
        thinking=""
        if name in SILENT
        else "".join(b.whole for b in blocks if isinstance(b, Thinking)),
        calls=tuple(
            Called("", tools[block.tool].name, canonical(dict(block.arguments)))
            for block in blocks
            if isinstance(block, Call)
        ),
        stop=None,
        usage=Counted(
            input=usage.input,
            cached=0 if name in NO_CACHE else usage.cached,
            output=usage.output,
            reasoning=0 if name in NO_CACHE else usage.reasoning,
        ),
    )


def comparable(told: Told) -> Told:
    calls = tuple(Called("", call.name, call.arguments) for call in told.calls)
    return Told(
        text=told.text,
        thinking=told.thinking,
        refusal=told.refusal,
        calls=calls,
        stop=None,
        usage=told.usage,
    )


STOPS = {
    "openai-chat": {"end": "stop", "length": "length", "tool": "tool_calls", "refusal": "stop"},
    "openai-responses": {
        "end": "completed",
        "length": "max_output_tokens",
        "tool": "completed",
        "refusal": "completed",
    },
    "anthropic": {
        "end": "end_turn",
        "length": "max_tokens",
        "tool": "tool_use",
        "refusal": "refusal",
        "stop_sequence": "stop_sequence:END",
    },
    "gemini": {
        "end": "STOP",
        "length": "MAX_TOKENS",
        "tool": "STOP",
        "refusal": "PROHIBITED_CONTENT",
    },
    "ollama": {"end": "stop", "length": "length", "tool": "stop", "refusal": "stop"},
}
"""Where a format has no word for a stop sequence, it is a plain end."""


@streamed
@pytest.mark.parametrize("model", ANSWERED)
async def test_the_sdk_reads_every_answer(name: str, model: str, stream: bool) -> None:
    wanted = expected(name, model)
    if wanted.refusal:
        wanted = refused(name, wanted)
    async with running(name) as upstream, SDKS[name].open(root(upstream)) as talker:
        conversation = talker.start(wish_for(model, stream=stream))
        image = PNG if SCENARIOS[model].needs == "image" else None
        told = await conversation.say("Hi", image=image)
        stop = SCENARIOS[model].stop
        assert told.stop == STOPS[name].get(stop, STOPS[name]["end"])
        assert comparable(told) == wanted
        assert upstream.seen[0].system == "Be brief."


def refused(name: str, told: Told) -> Told:
    """Only OpenAI has a place of its own for a refusal; Gemini blocks without a word."""
    if name in ("openai-chat", "openai-responses"):
        return told
    text = "" if name == "gemini" else told.refusal
    return Told(text=text, calls=told.calls, stop=told.stop, usage=told.usage)


@streamed
@pytest.mark.parametrize(
    "model", ["tool", "text-and-tool", "parallel-tools", "empty-args", "thinking-tool"]
)
async def test_a_tool_loop_comes_back_as_it_went(name: str, model: str, stream: bool) -> None:
    async with running(name) as upstream, SDKS[name].open(root(upstream)) as talker:
        conversation = talker.start(wish_for(model, stream=stream))
        told = await conversation.say("Hi")
        answers = [Answer(call=call, text=f"result {at}") for at, call in enumerate(told.calls)]
        told = await conversation.answer(answers)
        assert told.text == ANSWER_TEXT.whole
        assert upstream.refused == []
        user, assistant, results = upstream.seen[-1].turns
        assert user == Turn("user", (("text", "Hi"),))
        assert [item[1:] for item in assistant.items if item[0] == "call"] == [
            (call.name, call.arguments) for call in expected(name, model).calls
        ]
        thoughts = [item[1] for item in assistant.items if item[0] == "thinking"]
        kept = model == "thinking-tool" and name not in SILENT
        assert thoughts == ([THOUGHT.whole] if kept else [])
        assert results.items == tuple(
            ("result", answer.call.name, answer.text, "ok") for answer in answers
        )


@streamed
@pytest.mark.parametrize("model", ["thinking", "thinking-hidden", "thinking-redacted"])
async def test_thoughts_are_shown_and_taken_back(name: str, model: str, stream: bool) -> None:
    async with running(name) as upstream, SDKS[name].open(root(upstream)) as talker:
        conversation = talker.start(wish_for(model, stream=stream))
        assert comparable(await conversation.say("Hi")) == expected(name, model)
        await conversation.say("Again")
        assert len(upstream.seen[-1].turns) == 3
        assert upstream.refused == []


@streamed
@pytest.mark.parametrize("model", [name for name in SCENARIOS if name.startswith("error-")])
async def test_the_sdk_raises_its_own_error(name: str, model: str, stream: bool) -> None:
    sdk = SDKS[name]
    failure = SCENARIOS[model].failure
    assert failure is not None
    status = failure.status
    if status == 529 and name in ("gemini", "ollama"):
        status = 503
    async with running(name) as upstream, sdk.open(root(upstream)) as talker:
        conversation = talker.start(wish_for(model, stream=stream))
        with pytest.raises(Exception, match=failure.message) as raised:
            await conversation.say("Hi")
        assert sdk.error(raised.value)[:2] == (error_class(name, status), status)


def error_class(name: str, status: int) -> str:
    if name == "ollama":
        return "ResponseError"
    if name == "gemini":
        return "ClientError" if status < 500 else "ServerError"
    classes = {
        400: "BadRequestError",
        401: "AuthenticationError",
        403: "PermissionDeniedError",
        404: "NotFoundError",
        413: "ContentTooLargeError" if name == "anthropic" else "APIStatusError",
        429: "RateLimitError",
        503: "ServiceUnavailableError" if name == "anthropic" else "InternalServerError",
        529: "OverloadedError" if name == "anthropic" else "InternalServerError",
    }
    return classes.get(status, "InternalServerError")


@pytest.mark.parametrize("model", ["stream-error", "stream-error-first"])
async def test_the_sdk_raises_for_an_error_within_a_stream(name: str, model: str) -> None:
    failure = SCENARIOS[model].failure
    assert failure is not None
    async with running(name) as upstream, SDKS[name].open(root(upstream)) as talker:
        conversation = talker.start(wish_for(model, stream=True))
        with pytest.raises(Exception, match=failure.message):
            await conversation.say("Hi")


@pytest.mark.parametrize("model", ["stream-cut", "stream-reset"])
async def test_a_cut_stream_is_not_a_whole_answer(name: str, model: str) -> None:
    async with running(name) as upstream, SDKS[name].open(root(upstream)) as talker:
        conversation = talker.start(wish_for(model, stream=True))
        try:
            told = await conversation.say("Hi")
        except Exception:  # noqa: BLE001 - each SDK has its own, some are plain assertions
            return
        assert told.stop is None


async def test_a_wrong_key_is_refused(name: str) -> None:
    async with running(name) as upstream, SDKS[name].open(root(upstream), key="bad-key") as talker:
        with pytest.raises(Exception, match=r"(?i)key|unauthorized"):
            await talker.start(Wish(model="text")).say("Hi")
        assert upstream.seen == []


@streamed
async def test_the_synchronous_client_agrees(name: str, stream: bool) -> None:
    async with running(name) as upstream:
        text = await asyncio.to_thread(SYNCHRONOUS[name], root(upstream), stream=stream)
    assert text == expected(name, "text").text


def chat(url: str, *, stream: bool) -> str:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
        if stream:
            with client.chat.completions.stream(
                model="text", messages=[{"role": "user", "content": "Hi"}]
            ) as events:
                return events.get_final_completion().choices[0].message.content or ""
        completion = client.chat.completions.create(
            model="text", messages=[{"role": "user", "content": "Hi"}]
        )
        return completion.choices[0].message.content or ""


def responses(url: str, *, stream: bool) -> str:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
        if stream:
            with client.responses.stream(model="text", input="Hi") as events:
                return events.get_final_response().output_text
        return client.responses.create(model="text", input="Hi").output_text


def messages(url: str, *, stream: bool) -> str:
    with anthropic.Anthropic(base_url=url, api_key="k", max_retries=0) as client:
        if stream:
            with client.messages.stream(
                model="text", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
            ) as events:
                return events.get_final_text()
        message = client.messages.create(
            model="text", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
        )
        return "".join(block.text for block in message.content if block.type == "text")


def generate(url: str, *, stream: bool) -> str:
    options = types.HttpOptions(base_url=url)
    with genai.Client(api_key="k", http_options=options) as client:
        models: Any = client.models
        if stream:
            answers = models.generate_content_stream(model="text", contents="Hi")
            return "".join(answer.text or "" for answer in answers)
        return models.generate_content(model="text", contents="Hi").text or ""


def ollama_chat(url: str, *, stream: bool) -> str:
    untyped: Any = ollama
    with untyped.Client(url) as client:
        turns = [{"role": "user", "content": "Hi"}]
        if stream:
            answers = client.chat(model="text", messages=turns, stream=True)
            return "".join(answer.message.content or "" for answer in answers)
        return client.chat(model="text", messages=turns).message.content or ""


SYNCHRONOUS = {
    "openai-chat": chat,
    "openai-responses": responses,
    "anthropic": messages,
    "gemini": generate,
    "ollama": ollama_chat,
}


def root(upstream: Upstream) -> str:
    return upstream.url.removesuffix("/v1")
