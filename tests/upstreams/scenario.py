"""What the fake providers answer, in no format; a model's name picks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from omniroute.errors import Kind

Stop = Literal["end", "length", "tool", "refusal", "stop_sequence"]
Need = Literal["tools", "schema", "image"]


class Text(Struct, frozen=True):
    """`pieces` are what a stream sends one by one."""

    pieces: tuple[str, ...]

    @property
    def whole(self) -> str:
        return "".join(self.pieces)


class Thinking(Struct, frozen=True):
    """`redacted`: encrypted, nothing of it can be read; `pieces` may be empty as well."""

    pieces: tuple[str, ...]
    redacted: bool = False

    @property
    def whole(self) -> str:
        return "".join(self.pieces)


class Call(Struct, frozen=True):
    """A call of the request's tool at `tool`, whatever its name is."""

    tool: int
    arguments: Mapping[str, Any]


class Refused(Struct, frozen=True):
    """The model declines, in words."""

    pieces: tuple[str, ...]

    @property
    def whole(self) -> str:
        return "".join(self.pieces)


Block = Text | Thinking | Call | Refused


class Usage(Struct, frozen=True, kw_only=True):
    """`cached` is a part of `input`, `reasoning` a part of `output`."""

    input: int = 20
    cached: int = 8
    output: int = 9
    reasoning: int = 0


class Failure(Struct, frozen=True, kw_only=True):
    """An error that the API answers with."""

    status: int
    kind: Kind
    message: str
    param: str | None = None
    code: str | None = None
    retry_after_s: int | None = None


class RefusedError(Exception):
    """The server says no; raised by checks and scenarios, answered in the format's envelope."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Scenario(Struct, frozen=True, kw_only=True):
    """One answer. The stream oddities do nothing to an answer that is not streamed."""

    blocks: tuple[Block, ...] = ()
    stop: Stop = "end"
    usage: Usage = Usage()
    failure: Failure | None = None
    in_stream: Literal["first", "middle"] | None = None
    """Where a stream reports `failure`, instead of an error status."""
    cut: Literal["ended", "reset"] | None = None
    """In the middle the body ends cleanly, or the connection breaks."""
    pings: bool = False
    odd_splits: bool = False
    crlf: bool = False
    needs: Need | None = None
    """What the request must hold, else the test that sends it tests nothing."""


HELLO: Final = Text(("Hello", " from", " afar:", " é€😀", "."))
ANSWER: Final = Text(("It is 21", " degrees in", " Paris."))
JSON_ANSWER: Final = Text(('{"city":', '"Zürich","degr', 'ees":21}'))
THOUGHT: Final = Thinking(("The user wants", " the weather;", " I ask the tool."))
PARIS: Final[Mapping[str, Any]] = {"city": "Paris", "unit": "°C", "days": 3}
ZURICH: Final[Mapping[str, Any]] = {"city": "Zürich", "unit": "°C", "days": 1}
STOP_SEQUENCE: Final = "END"

_THOUGHTFUL: Final = Usage(output=14, reasoning=5)


def _error(status: int, kind: Kind, message: str, **more: Any) -> Scenario:
    return Scenario(failure=Failure(status=status, kind=kind, message=message, **more))


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "text": Scenario(blocks=(HELLO,)),
    "unicode": Scenario(blocks=(Text(("\u0001é", "€😀", '"\\\n\u2028', "👩‍👩‍👧", "שלום")),)),
    "tool": Scenario(blocks=(Call(0, PARIS),), stop="tool", needs="tools"),
    "text-and-tool": Scenario(blocks=(HELLO, Call(0, PARIS)), stop="tool", needs="tools"),
    "parallel-tools": Scenario(
        blocks=(Call(0, PARIS), Call(0, ZURICH), Call(-1, {})), stop="tool", needs="tools"
    ),
    "empty-args": Scenario(blocks=(Call(0, {}),), stop="tool", needs="tools"),
    "thinking": Scenario(blocks=(THOUGHT, ANSWER), usage=_THOUGHTFUL),
    "thinking-hidden": Scenario(blocks=(Thinking(()), ANSWER), usage=_THOUGHTFUL),
    "thinking-redacted": Scenario(
        blocks=(THOUGHT, Thinking((), redacted=True), ANSWER), usage=_THOUGHTFUL
    ),
    "thinking-tool": Scenario(
        blocks=(THOUGHT, Call(0, PARIS)), stop="tool", usage=_THOUGHTFUL, needs="tools"
    ),
    "thinking-parallel": Scenario(
        blocks=(THOUGHT, Call(0, PARIS), Call(0, ZURICH)),
        stop="tool",
        usage=_THOUGHTFUL,
        needs="tools",
    ),
    "json-schema": Scenario(blocks=(JSON_ANSWER,), needs="schema"),
    "image": Scenario(blocks=(Text(("I see", " a pixel.")),), needs="image"),
    "length": Scenario(blocks=(HELLO,), stop="length"),
    "refusal": Scenario(blocks=(Refused(("I can't help", " with that.")),), stop="refusal"),
    "stop-sequence": Scenario(blocks=(HELLO,), stop="stop_sequence"),
    "ping": Scenario(blocks=(HELLO,), pings=True),
    "odd-splits": Scenario(blocks=(HELLO,), odd_splits=True, pings=True),
    "odd-splits-tool": Scenario(
        blocks=(HELLO, Call(0, ZURICH)), stop="tool", needs="tools", odd_splits=True
    ),
    "crlf": Scenario(blocks=(HELLO,), odd_splits=True, crlf=True),
    "stream-cut": Scenario(blocks=(HELLO,), cut="ended"),
    "stream-reset": Scenario(blocks=(HELLO,), cut="reset"),
    "stream-error": Scenario(
        blocks=(HELLO,),
        failure=Failure(status=529, kind="overloaded", message="Overloaded"),
        in_stream="middle",
    ),
    "stream-error-first": Scenario(
        blocks=(HELLO,),
        failure=Failure(status=500, kind="upstream", message="Something broke"),
        in_stream="first",
    ),
    "error-400": _error(400, "invalid_request", "That is not how it is done"),
    "error-401": _error(401, "authentication", "That key is no good"),
    "error-403": _error(403, "permission", "Not with this key"),
    "error-404": _error(404, "not_found", "No such model"),
    "error-413": _error(413, "too_large", "Too many bytes"),
    "error-429": _error(429, "rate_limit", "Slow down", retry_after_s=7),
    "error-500": _error(500, "upstream", "Something broke"),
    "error-503": _error(503, "unavailable", "Come back later"),
    "error-529": _error(529, "overloaded", "Overloaded"),
    "context-too-long": _error(400, "context_length", "prompt is too long: 300000 tokens"),
}

_AFTER_TOOLS: Final = Scenario(blocks=(ANSWER,))
_AFTER_TOOLS_THINKING: Final = Scenario(blocks=(THOUGHT, ANSWER), usage=_THOUGHTFUL)


def choose(model: str, *, has_results: bool) -> Scenario:
    """The scenario named by `model`, or its second half once the tools have answered."""
    scenario = SCENARIOS.get(model)
    if scenario is None:
        message = f"The model `{model}` does not exist"
        raise RefusedError(Failure(status=404, kind="not_found", message=message))
    if scenario.needs == "tools" and has_results:
        return _AFTER_TOOLS_THINKING if model.startswith("thinking") else _AFTER_TOOLS
    return scenario
