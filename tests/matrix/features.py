"""What every pair of formats must be able to do, each as one check, with its reasons where it
cannot be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import pytest
from msgspec import Struct

from tests.matrix.bench import Pair
from tests.matrix.expected import GIVES_NO_THOUGHTS, comparable, expected
from tests.sdk.all import SDKS
from tests.sdk.told import ANSWER, CLOCK, PNG, TIME, WEATHER, Answer, Conversation, Told, Tool, Wish
from tests.upstreams.scenario import ANSWER as ANSWER_TEXT
from tests.upstreams.scenario import HELLO, SCENARIOS, THOUGHT
from tests.upstreams.seen import Seen, Turn, canonical

Check = Callable[[Pair, str], Awaitable[None]]


class Feature(Struct, frozen=True, kw_only=True):
    """One row of the matrix: `check` runs for each scenario, whole and streamed."""

    name: str
    title: str
    scenarios: tuple[str, ...]
    check: Check
    streams: tuple[bool, ...] = (False, True)
    lacks: Callable[[str, str], str | None] = lambda client, upstream: None
    """Why a client's format and a provider's format cannot have it together, or None."""


def _wish(model: str, **more: Any) -> Wish:
    scenario = SCENARIOS[model]
    return Wish(
        model=model,
        system="Be brief.",
        tools=(WEATHER, CLOCK) if scenario.needs == "tools" else (),
        schema=ANSWER if scenario.needs == "schema" else None,
        effort="medium" if model.startswith("thinking") else None,
        **more,
    )


def _seen(pair: Pair) -> Seen:
    assert pair.provider.refused == []
    return pair.provider.seen[-1]


async def _reads(pair: Pair, model: str) -> None:
    """The answer arrives as it was said, and the question did before."""
    image = PNG if SCENARIOS[model].needs == "image" else None
    told = await pair.start(_wish(model)).say("Hi", image=image)
    seen = _seen(pair)
    assert comparable(told) == expected(pair.client, pair.upstream, model)
    assert seen.system == "Be brief."
    question = (("text", "Hi"),) if image is None else (("text", "Hi"), ("image", "image/png", PNG))
    assert seen.turns == (Turn("user", question),)


async def _remembers(pair: Pair, model: str) -> None:
    conversation = pair.start(_wish(model))
    await conversation.say("Hi")
    told = await conversation.say("Again")
    assert comparable(told) == expected(pair.client, pair.upstream, model)
    assert _seen(pair).turns == (
        Turn("user", (("text", "Hi"),)),
        Turn("assistant", (("text", HELLO.whole),)),
        Turn("user", (("text", "Again"),)),
    )


async def _calls(pair: Pair, model: str) -> tuple[Conversation, Told]:
    conversation = pair.start(_wish(model))
    told = await conversation.say("Hi")
    seen = _seen(pair)
    assert comparable(told) == expected(pair.client, pair.upstream, model)
    assert seen.tools == (WEATHER.name, CLOCK.name)
    sent = dict(WEATHER.parameters)
    if pair.client == "ollama":
        del sent["additionalProperties"]  # its SDK knows no such member
    assert seen.schemas[0] == canonical(sent)
    ids = [call.id for call in told.calls if call.id]
    assert len(set(ids)) == len(ids), "each call has an id of its own"
    return conversation, told


async def _just_calls(pair: Pair, model: str) -> None:
    await _calls(pair, model)


async def _loops(pair: Pair, model: str) -> None:
    """Calls are answered, and the provider gets its own calls and every result back."""
    conversation, told = await _calls(pair, model)
    answers = [Answer(call=call, text=f"result {at}") for at, call in enumerate(told.calls)]
    told = await conversation.answer(answers)
    assert told.text == ANSWER_TEXT.whole
    _user, assistant, results = _seen(pair).turns
    assert [item[1:] for item in assistant.items if item[0] == "call"] == [
        (answer.call.name, answer.call.arguments) for answer in answers
    ]
    assert [item for item in results.items if item[0] == "result"] == [
        ("result", answer.call.name, answer.text, "ok") for answer in answers
    ]


async def _fails(pair: Pair, model: str) -> None:
    conversation, told = await _calls(pair, model)
    await conversation.answer([Answer(call=told.calls[0], text="no such city", is_error=True)])
    (result,) = _seen(pair).turns[-1].items
    marked = {"anthropic", "gemini"}
    state = "error" if {pair.client, pair.upstream} <= marked else result[3]
    assert result == ("result", WEATHER.name, "no such city", state)


async def _shows_pictures(pair: Pair, model: str) -> None:
    conversation, told = await _calls(pair, model)
    await conversation.answer([Answer(call=told.calls[0], text="a map", image=PNG)])
    items = _seen(pair).turns[-1].items
    assert PNG in canonical(items)
    assert items[0][0] == "result"
    assert items[0][2].startswith("a map")


async def _thinks(pair: Pair, model: str) -> None:
    told = await pair.start(_wish(model)).say("Hi")
    assert comparable(told) == expected(pair.client, pair.upstream, model)
    assert _seen(pair).effort is not None


async def _thinks_on(pair: Pair, model: str) -> None:
    """The provider's own thoughts are back at their place when the tools have answered."""
    conversation, told = await _calls(pair, model)
    answers = [Answer(call=call, text=f"result {at}") for at, call in enumerate(told.calls)]
    told = await conversation.answer(answers)
    assert told.text == ANSWER_TEXT.whole
    items = _seen(pair).turns[1].items
    if pair.upstream not in GIVES_NO_THOUGHTS | {"gemini", "ollama"}:
        assert items[0] == ("thinking", THOUGHT.whole)


async def _asks(pair: Pair, model: str) -> None:
    wish = _wish(model, max_tokens=77, temperature=0.5, stop=("END", "STOP"))
    await pair.start(wish).say("Hi")
    seen = _seen(pair)
    assert seen.max_tokens == 77
    assert seen.temperature == 0.5
    if "openai-responses" not in (pair.client, pair.upstream):
        assert seen.stop == ("END", "STOP")


async def _chooses(pair: Pair, model: str) -> None:
    for choice in ("auto", "none", "required", CLOCK.name):
        wish = Wish(model=model, tools=(WEATHER, CLOCK), tool_choice=choice)
        await pair.start(wish).say("Hi")
        assert _seen(pair).tool_choice == choice


async def _renames(pair: Pair, model: str) -> None:
    """A name that the client's format allows and the provider's does not comes back unchanged."""
    name = "ns.tool:x" if pair.client == "gemini" else "1st-" + "x" * 60
    tool = Tool(name, "Odd", TIME)
    conversation = pair.start(Wish(model=model, tools=(tool,)))
    told = await conversation.say("Hi")
    assert told.calls[0].name == name
    await conversation.answer([Answer(call=told.calls[0], text="r")])
    assert _seen(pair).turns[-1].items[0][2] == "r"


async def _raises(pair: Pair, model: str) -> None:
    failure = SCENARIOS[model].failure
    assert failure is not None
    error = await _error(pair, model)
    name, status, text = SDKS[pair.client].error(error)
    assert failure.message in text
    if not (SCENARIOS[model].in_stream and pair.stream):
        assert (name, status) in _CLASSES[pair.client](failure.status)
    headers = getattr(getattr(error, "response", None), "headers", None)
    if failure.retry_after_s is not None and headers is not None:
        assert headers["retry-after"] == str(failure.retry_after_s)


async def _notices(pair: Pair, model: str) -> None:
    """A cut answer must not pass for a whole one; how the SDK says so is its own."""
    error = await _error(pair, model)
    assert not isinstance(error, AssertionError), error


async def _error(pair: Pair, model: str) -> Exception:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - each SDK has its own classes
        await pair.start(_wish(model)).say("Hi")
    return raised.value


def _openai_classes(status: int) -> set[tuple[str, int | None]]:
    names = {
        400: "BadRequestError",
        401: "AuthenticationError",
        403: "PermissionDeniedError",
        404: "NotFoundError",
        413: "APIStatusError",
        429: "RateLimitError",
    }
    if status in (503, 529):
        return {("InternalServerError", 503), ("InternalServerError", 529)}
    return {(names.get(status, "InternalServerError"), status)}


def _anthropic_classes(status: int) -> set[tuple[str, int | None]]:
    if status in (503, 529):
        return {("OverloadedError", 529), ("ServiceUnavailableError", 503)}
    if status == 413:
        return {("ContentTooLargeError", 413)}
    return _openai_classes(status)


def _gemini_classes(status: int) -> set[tuple[str, int | None]]:
    if status in (503, 529):
        return {("ServerError", 503)}
    return {("ClientError" if status < 500 else "ServerError", status)}


def _ollama_classes(status: int) -> set[tuple[str, int | None]]:
    return {("ResponseError", 503 if status == 529 else status)}


_CLASSES: Final[Mapping[str, Callable[[int], set[tuple[str, int | None]]]]] = {
    "openai-chat": _openai_classes,
    "openai-responses": _openai_classes,
    "anthropic": _anthropic_classes,
    "gemini": _gemini_classes,
    "ollama": _ollama_classes,
}


GAPS: Final[Mapping[tuple[str, str, str], str]] = {}
"""Client, provider, feature: what could be and is not yet. Held by strict expected failures."""


def _no_choice(client: str, upstream: str) -> str | None:
    if client == "ollama":
        return "Ollama clients cannot choose a tool"
    return "Ollama servers cannot be told which tool to take" if upstream == "ollama" else None


def _no_pictures(client: str, upstream: str) -> str | None:
    if client == "openai-chat":
        return "a tool's result is text only in Chat Completions"
    return (
        "Google's SDK has pictures in results for some models only" if client == "gemini" else None
    )


def _no_odd_names(client: str, upstream: str) -> str | None:
    odd = (client == "gemini") != (upstream == "gemini")
    return None if odd else "both formats allow the same names"


FEATURES: Final = (
    Feature(name="text", title="text", scenarios=("text", "unicode"), check=_reads),
    Feature(name="history", title="history", scenarios=("text",), check=_remembers),
    Feature(name="options", title="options", scenarios=("text",), check=_asks),
    Feature(name="tool", title="one tool", scenarios=("tool", "text-and-tool"), check=_just_calls),
    Feature(
        name="parallel", title="parallel tools", scenarios=("parallel-tools",), check=_just_calls
    ),
    Feature(name="empty-args", title="no arguments", scenarios=("empty-args",), check=_just_calls),
    Feature(
        name="results",
        title="tool results",
        scenarios=("tool", "text-and-tool", "parallel-tools", "empty-args"),
        check=_loops,
    ),
    Feature(name="failed-tool", title="failed tool", scenarios=("tool",), check=_fails),
    Feature(
        name="picture-result",
        title="picture as result",
        scenarios=("tool",),
        check=_shows_pictures,
        lacks=_no_pictures,
    ),
    Feature(
        name="tool-choice",
        title="tool choice",
        scenarios=("text",),
        check=_chooses,
        streams=(False,),
        lacks=_no_choice,
    ),
    Feature(
        name="tool-names",
        title="odd tool names",
        scenarios=("empty-args",),
        check=_renames,
        lacks=_no_odd_names,
    ),
    Feature(name="image", title="images", scenarios=("image",), check=_reads),
    Feature(name="schema", title="schema output", scenarios=("json-schema",), check=_reads),
    Feature(
        name="thinking",
        title="reasoning",
        scenarios=("thinking", "thinking-hidden", "thinking-redacted"),
        check=_thinks,
    ),
    Feature(
        name="thinking-loop",
        title="reasoning round trip",
        scenarios=("thinking-tool", "thinking-parallel"),
        check=_thinks_on,
    ),
    Feature(
        name="stops",
        title="stop reasons",
        scenarios=("length", "stop-sequence", "refusal"),
        check=_reads,
    ),
    Feature(
        name="errors",
        title="errors",
        scenarios=(
            *(name for name in SCENARIOS if name.startswith("error-")),
            "context-too-long",
        ),
        check=_raises,
    ),
    Feature(
        name="stream-errors",
        title="errors in a stream",
        scenarios=("stream-error", "stream-error-first"),
        check=_raises,
        streams=(True,),
    ),
    Feature(
        name="cut",
        title="cut streams",
        scenarios=("stream-cut", "stream-reset"),
        check=_notices,
        streams=(True,),
    ),
    Feature(
        name="splits",
        title="odd byte splits",
        scenarios=("ping", "odd-splits", "crlf"),
        check=_reads,
        streams=(True,),
    ),
    Feature(
        name="tool-splits",
        title="odd splits of calls",
        scenarios=("odd-splits-tool",),
        check=_just_calls,
        streams=(True,),
    ),
)
