"""One way to talk through any official SDK, so that a test is written once for all of them.

A conversation keeps its history as its SDK gave it, and sends it back like that: what an
application would do, so that what it loses on the way an application would lose too.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Literal, Protocol

import orjson
from msgspec import Struct, structs

PNG: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAE"
    "hQGAhKmMIQAAAABJRU5ErkJggg=="
)
CITY: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "A city's name"},
        "unit": {"type": "string"},
        "days": {"type": "integer"},
    },
    "required": ["city", "unit", "days"],
    "additionalProperties": False,
}
ANSWER: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
TIME: Final[Mapping[str, Any]] = {"type": "object", "properties": {}}


class Tool(Struct, frozen=True):
    name: str
    description: str
    parameters: Mapping[str, Any]


WEATHER: Final = Tool("get_weather", "The weather of a city", CITY)
CLOCK: Final = Tool("get-time", "The time", TIME)


class Wish(Struct, frozen=True, kw_only=True):
    """What stays the same through a conversation."""

    model: str
    stream: bool = False
    system: str | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: str | None = None
    """auto, none, required or a tool's name."""
    schema: Mapping[str, Any] | None = None
    effort: Literal["low", "medium", "high"] | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    stop: tuple[str, ...] = ()

    def at(self, model: str, *, stream: bool) -> Wish:
        """The same of another model."""
        return structs.replace(self, model=model, stream=stream)


class Called(Struct, frozen=True):
    """`arguments` is JSON with sorted keys. `id` is "" where the format has none."""

    id: str
    name: str
    arguments: str


class Answer(Struct, frozen=True, kw_only=True):
    """What the application's tool gave back for a call."""

    call: Called
    text: str
    is_error: bool = False
    image: str | None = None


class Counted(Struct, frozen=True, kw_only=True):
    """As the scenarios count: `cached` within `input`, `reasoning` within `output`."""

    input: int
    cached: int
    output: int
    reasoning: int


class Told(Struct, frozen=True, kw_only=True):
    """One answer as an application of that SDK understands it."""

    text: str = ""
    thinking: str = ""
    refusal: str = ""
    calls: tuple[Called, ...] = ()
    stop: str | None
    """In the format's own word."""
    usage: Counted | None


class StreamFailedError(Exception):
    """The stream said that it failed, where the SDK hands that on as an event like others."""


class Conversation(Protocol):
    """`say` and `answer` send the whole history with one more turn, and keep the reply in it."""

    async def say(self, text: str, *, image: str | None = None) -> Told: ...

    async def answer(self, answers: list[Answer]) -> Told: ...


class Sdk(Protocol):
    """An official SDK as a client. `base_url` is the server without any path."""

    name: str

    def open(
        self, base_url: str, *, key: str = "test-key"
    ) -> AbstractAsyncContextManager[Talker]: ...

    def error(self, raised: Exception) -> tuple[str, int | None, str]:
        """The exception class that an application would catch, the status, the text."""
        ...


class Talker(Protocol):
    """A connected client."""

    def start(self, wish: Wish) -> Conversation: ...


def sorted_json(value: Any) -> str:
    """A JSON text, or a value, with sorted keys."""
    if isinstance(value, str):
        value = orjson.loads(value or "{}")
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
